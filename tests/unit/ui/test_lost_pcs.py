"""What ran on a PC that is gone is shown nowhere as a model that runs: its last report would say so for ever."""

import pytest

from app.schema.instance import InstanceState
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.record import NodeId
from app.ui.chat import wording
from app.ui.face import Icon, Link, face
from app.ui.models import launch_view
from tests.ui.samples import instance, status

OTHER = NodeId("b" * 64)


def seen(reachability: Reachability) -> Status:
    """A cluster whose other PC, which is so, told last that its model is ready."""
    info = NodeInfo(id=OTHER, name="KITCHEN", version="1", started_at=0.0)
    report = PeerReport(node=info, instances=(instance(InstanceState.READY),))
    peer = Peer(node=OTHER, name="KITCHEN", reachability=reachability, report=report)
    return status().model_copy(update={"peers": (peer,)})


@pytest.mark.parametrize(
    ("reachability", "runs"), [(Reachability.ALIVE, 1), (Reachability.SUSPECT, 1), (Reachability.LOST, 0)]
)
def test_a_model_of_a_lost_pc_does_not_run(reachability: Reachability, runs: int) -> None:
    found = seen(reachability)
    assert len(found.all_instances) == runs
    assert len(wording.ready(found)) == runs
    assert len(launch_view.running(found)) == runs
    assert face(found, Link.FOUND).icon is (Icon.READY if runs else Icon.IDLE)
