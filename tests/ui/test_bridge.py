"""The crossing: signals arrive on the main thread, nothing blocks it, and `stop` leaves nothing behind."""

import socket
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.schema.record import InstanceId, ModelId
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.commands import node_command
from app.ui.keeper import Attachment
from tests.ui import small_node
from tests.ui.conftest import Until
from tests.ui.small_node import REFUSED_MODEL


class Heard:
    """What came through the bridge, and on which threads."""

    def __init__(self, bridge: Bridge) -> None:
        self.statuses: list[Status] = []
        self.attached: list[Attachment] = []
        self.errors: list[ErrorInfo] = []
        self.words: list[str] = []
        self.threads: set[str] = set()
        queued = Qt.ConnectionType.QueuedConnection
        bridge.status_changed.connect(lambda each: self._keep(self.statuses, each), queued)
        bridge.attached.connect(lambda each: self._keep(self.attached, each), queued)
        bridge.failed.connect(lambda each: self._keep(self.errors, each), queued)
        bridge.node_starting.connect(lambda: self._keep(self.words, "starting"), queued)
        bridge.node_lost.connect(lambda: self._keep(self.words, "lost"), queued)
        bridge.ended.connect(lambda: self._keep(self.words, "ended"), queued)

    def _keep(self, place: list, what: object) -> None:
        self.threads.add(threading.current_thread().name)
        place.append(what)

    @property
    def states(self) -> list[InstanceState]:
        return [each.state for each in self.statuses[-1].instances] if self.statuses else []


@pytest.fixture
def bridge(application: QApplication, paths: Paths) -> Iterator[Bridge]:
    command = [sys.executable, "-m", small_node.__name__, "--data-dir", str(paths.data)]
    made = Bridge(paths, command, retry=0.05)
    sockets = set(psutil.Process().net_connections())
    yield made
    made.stop()
    # The pair that wakes the loop is gone as well.
    assert {each for each in psutil.Process().net_connections() if each.laddr} <= sockets
    assert all("caravan bridge" not in thread.name for thread in threading.enumerate())


def test_launch_follow_unload_and_end(bridge: Bridge, until: Until) -> None:
    heard = Heard(bridge)
    bridge.start()
    until(lambda: heard.statuses)
    bridge.launch(ModelId("caravan-demo"))
    until(lambda: heard.states == [InstanceState.READY])
    bridge.unload(InstanceId("one"))
    until(lambda: heard.states == [])
    bridge.end()
    until(lambda: "ended" in heard.words)
    assert heard.words == ["starting", "ended"]
    assert [each.is_ours for each in heard.attached] == [True]
    assert [each.seq for each in heard.statuses] == list(range(5))
    assert heard.threads == {"MainThread"}
    with pytest.raises(ConnectionRefusedError):
        _connect(heard.attached[0].api_url)


def _connect(url: str) -> None:
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=5):
        pass


def test_a_node_that_is_shut_down_is_lost_and_started_again_on_request(bridge: Bridge, until: Until) -> None:
    heard = Heard(bridge)
    bridge.start()
    until(lambda: heard.statuses)
    bridge.ask(lambda client: client.shut_down())
    until(lambda: heard.words.count("lost") >= 2)
    bridge.start_node()
    until(lambda: len(heard.attached) >= 2)
    assert heard.words[-1] == "starting"
    assert heard.errors == []


def test_a_refused_launch_is_told(bridge: Bridge, until: Until) -> None:
    heard = Heard(bridge)
    bridge.start()
    until(lambda: heard.statuses)
    bridge.launch(ModelId(REFUSED_MODEL))
    until(lambda: heard.errors)
    assert heard.errors[0].sentence == "It does not fit."


def test_a_bridge_that_never_started_is_stopped_too(bridge: Bridge) -> None:
    bridge.stop()


def test_stopping_twice_and_commands_after_the_end_are_harmless(bridge: Bridge) -> None:
    bridge.start()
    bridge.stop()
    bridge.stop()
    bridge.launch(ModelId("caravan-demo"))
    bridge.end()


def test_the_real_node_is_started_and_ends_with_the_bridge(
    application: QApplication, paths: Paths, until: Until
) -> None:
    bridge = Bridge(paths, [*node_command(paths.data), "--api-port", "0"])
    heard = Heard(bridge)
    bridge.start()
    until(lambda: heard.statuses or heard.errors)
    bridge.stop()
    assert heard.errors == []
    assert [each.is_ours for each in heard.attached] == [True]
    assert not paths.endpoint.exists()
