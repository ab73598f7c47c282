"""What is told of the link to a peer when its streams come and go."""

from app.cluster.link_process.links import Links
from app.cluster.link_process.messages import LinkPeer, LinkState
from app.cluster.link_process.wire import Wire
from app.schema.record import NodeId

PEER = NodeId("b" * 64)


def test_where_a_peer_is_reached_is_told_at_once() -> None:
    told: list[LinkState] = []
    links = Links(told.append)
    links.trust((LinkPeer(node=PEER, certificate="", addresses=("10.0.0.2:52416",)),))
    link = links.get(PEER)
    assert link is not None
    theirs, ours, more, moved = Wire(), Wire(), Wire(), Wire()
    links.open(link, theirs)
    links.open(link, ours, "10.0.0.2:52416")
    links.open(link, more, "10.0.0.2:52416")
    links.open(link, moved, "10.0.0.3:52416")
    assert [each.address for each in told] == [None, "10.0.0.2:52416", "10.0.0.3:52416"]
    for wire in (theirs, ours, more, moved):
        links.close(link, wire)
    assert [each.connected for each in told] == [True, True, True, False]
