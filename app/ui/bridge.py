"""The one crossing between the node and Qt: a thread with an asyncio loop on one side, queued signals on the other."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from PySide6.QtCore import QObject, Signal

from app.schema.errors import CaravanError
from app.schema.record import InstanceId, ModelId
from app.system.paths import Paths
from app.ui.keeper import RETRY_SECONDS, Audience, Keeper, Work, launch, shut_down, unload

_log = logging.getLogger("caravan.ui")


class Bridge(QObject):
    """Connect the signals with `Qt.ConnectionType.QueuedConnection`: they are sent from the bridge's thread.

    Every method returns at once but `stop`, which waits for the end of the thread. Use it once.
    """

    node_starting = Signal()
    attached = Signal(object)
    """An Attachment: the node that was found. Its first status follows."""
    status_changed = Signal(object)
    """A Status."""
    node_lost = Signal()
    failed = Signal(object)
    """An ErrorInfo."""
    ended = Signal()
    """Nothing of ours is left; `stop` will not wait."""

    def __init__(self, paths: Paths, command: Sequence[str], retry: float = RETRY_SECONDS) -> None:
        super().__init__()
        audience = Audience(
            starting=self.node_starting.emit,
            attached=self.attached.emit,
            status=self.status_changed.emit,
            lost=self.node_lost.emit,
            failed=self.failed.emit,
        )
        self._keeper = Keeper(paths, command, audience, retry)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="caravan bridge")

    def start(self) -> None:
        """Find the node, or start one."""
        self._thread.start()

    def end(self) -> None:
        """Begin to end; `ended` tells when it is done. A node that we started ends too."""
        self._post(self._keeper.end)

    def stop(self) -> None:
        """End, and wait for it."""
        if self._thread.ident is None:
            self._loop.close()
            return
        self.end()
        self._thread.join()

    def start_node(self) -> None:
        """Start a node if none answers."""
        self._post(self._keeper.start_node)

    def launch(self, model: ModelId) -> None:
        """Plan a model and launch it."""
        self._do(launch(model))

    def unload(self, instance: InstanceId) -> None:
        """Stop an instance, or cancel its launch."""
        self._do(unload(instance))

    def shut_down_node(self) -> None:
        """End the node and everything it runs; the tray stays."""
        self._do(shut_down)

    def _do(self, work: Work) -> None:
        self._post(lambda: self._keeper.do(work))

    def _post(self, call: Callable[[], None]) -> None:
        # A closed loop means that the end has come before the call.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._keeper.run())
        except Exception:  # noqa: BLE001  whatever it is, the person must be told and the icon must not lie on
            _log.exception("The bridge broke")
            self.failed.emit(CaravanError("The tray has lost its way.", "Quit it and start it again.").info())
        finally:
            self.ended.emit()
