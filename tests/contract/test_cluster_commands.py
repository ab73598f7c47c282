"""`invite`, `join`, `peers`, `remove` and `leave` as a person uses them, on two nodes of this machine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from app.cli.cluster_command import named
from app.schema.cluster import MemberInfo
from app.schema.errors import InputError, NodeNotFound
from app.schema.node import NodeInfo, Status
from app.schema.record import NodeId
from app.system.program import own_command
from app.system.spawn import start_child
from tests.contract.programs import RunningNode, caravan, caravan_json, start_node, windows_lacks


@pytest_asyncio.fixture(loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[RunningNode, RunningNode]]:
    """Two nodes that do not know each other."""
    async with AsyncExitStack() as stack:
        nodes = []
        for name in ("WORKSHOP", "LIVING ROOM"):
            folder = tmp_path_factory.mktemp(name)
            (folder / "settings.json").write_text(json.dumps({"name": name, "use_known_folders": False}), "utf-8")
            node = await start_node(folder)
            stack.push_async_callback(node.stop)
            nodes.append(node)
        yield nodes[0], nodes[1]


class Inviting:
    """A running `caravan invite`, and what it printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shown = asyncio.Event()

    def hear(self, _: str, line: str) -> None:
        self.lines.append(line)
        if "no answer?" in line:
            self.shown.set()

    @property
    def words(self) -> list[str]:
        """The command that the person is told to type on the other PC, with its address."""
        told = next(line for line in self.lines if "no answer?" in line)
        return told.partition("no answer? caravan ")[2].rstrip(")").split()


async def test_invite_join_peers_remove_leave(two: tuple[RunningNode, RunningNode]) -> None:
    host, guest = two
    assert "in no cluster yet" in (await caravan("peers", data_dir=host.data_dir)).stdout
    wrong = await caravan("join", "--code", "12345", data_dir=guest.data_dir)
    assert wrong.returncode == 1
    assert "six digits" in wrong.stderr
    inviting = Inviting()
    child = await start_child(own_command("--data-dir", str(host.data_dir), "invite"), on_line=inviting.hear)
    async with asyncio.timeout(60):
        await inviting.shown.wait()
    joined = await caravan(*inviting.words, data_dir=guest.data_dir)
    assert joined.returncode == 0, joined
    assert "Joined WORKSHOP" in joined.stdout
    async with asyncio.timeout(60):
        assert await child.wait() == 0
    assert "LIVING ROOM has joined." in inviting.lines
    async with asyncio.timeout(60):
        # A heartbeat that a busy machine lost is made good by the next one.
        while "connected" not in (told := await caravan("peers", data_dir=host.data_dir)).stdout:
            assert "LIVING ROOM" in told.stdout
    again = await caravan("join", "--code", "123456", data_dir=guest.data_dir)
    assert again.returncode == 1
    assert "in a cluster already, with WORKSHOP" in again.stderr
    missing = await caravan("remove", "KITCHEN", data_dir=host.data_dir)
    assert missing.returncode == 1
    assert "No PC of this cluster is called KITCHEN" in missing.stderr
    removed = await caravan("remove", "living room", data_dir=host.data_dir)
    assert "LIVING ROOM is removed" in removed.stdout, removed
    assert (await caravan_json("peers", data_dir=host.data_dir))["peers"] == []
    before = (await caravan_json("status", data_dir=guest.data_dir))["node"]["id"]
    left = await caravan("leave", data_dir=guest.data_dir)
    assert left.returncode == 0, left
    async with asyncio.timeout(60):
        # The node that leaves still answers until it has ended, and then none does for a moment.
        while await identity(guest) in (None, before):
            await asyncio.sleep(0.1)


async def identity(node: RunningNode) -> str | None:
    """Who answers; None when nobody does."""
    done = await caravan("status", "--json", data_dir=node.data_dir)
    return str(json.loads(done.stdout)["node"]["id"]) if done.returncode == 0 else None


@windows_lacks("no way to ask a program without a console to end")
async def test_an_invitation_ends_with_its_command(two: tuple[RunningNode, RunningNode]) -> None:
    host, _ = two
    inviting = Inviting()
    child = await start_child(own_command("--data-dir", str(host.data_dir), "invite"), on_line=inviting.hear)
    async with asyncio.timeout(60):
        await inviting.shown.wait()
    await child.stop(grace=10.0)
    status = await caravan_json("status", data_dir=host.data_dir)
    assert status["invitation"] is None


async def test_a_node_is_ended_by_command(two: tuple[RunningNode, RunningNode]) -> None:
    done = await caravan("node", "--stop", data_dir=two[0].data_dir)
    assert done.returncode == 0, done
    assert "Caravan has ended." in done.stdout
    assert two[0].child.returncode == 0 or await two[0].child.wait() == 0
    again = await caravan("node", "--stop", data_dir=two[0].data_dir)
    assert again.returncode == 0
    assert "not running" in again.stdout


async def test_a_pc_is_named_by_what_it_is_called_or_by_its_identity() -> None:
    def member(node: str, name: str) -> MemberInfo:
        return MemberInfo(node=NodeId(node), name=name, short_name=f"{node}-SHORT")

    own = NodeInfo(id=NodeId("a"), name="HERE", version="1", started_at=0.0)
    members = (member("a", "HERE"), member("b", "Küche"), member("c", "Büro"), member("d", "Büro"))
    status = Status(node=own, members=members)
    assert named("küche", status).node == "b"
    assert named("C-SHORT", status).node == "c"
    with pytest.raises(InputError, match="Several PCs are called Büro"):
        named("Büro", status)
    with pytest.raises(NodeNotFound):
        named("HERE", status)
