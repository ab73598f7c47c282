"""The one crossing between the node and Qt: a thread with an asyncio loop on one side, queued signals on the other."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from app.client import NodeClient
from app.schema.errors import CaravanError, ErrorInfo
from app.schema.record import InstanceId, ModelId
from app.system.paths import Paths
from app.ui.errand import Errand, Mailbox
from app.ui.keeper import RETRY_SECONDS, Audience, Keeper, Work, launch, unload

_log = logging.getLogger("caravan.ui")

T = TypeVar("T")


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
        self._mailbox = Mailbox(self)
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
        """Launch a model as it ran last."""
        self._do(launch(model))

    def unload(self, instance: InstanceId) -> None:
        """Stop an instance, or cancel its launch."""
        self._do(unload(instance))

    def ask(
        self,
        work: Callable[[NodeClient], Awaitable[T]],
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        """Run `work` on the bridge's thread; exactly one of the callbacks follows, on the main thread.

        Without `on_error`, an error is told by `failed`. After `cancel()`, and after the bridge's end, neither comes.
        """
        errand = Errand(self._mailbox, on_error or self.failed.emit)

        async def run(client: NodeClient) -> None:
            answer = await work(client)
            if on_done is not None:
                errand.post(lambda: on_done(answer))

        self._send(errand, run)
        return errand

    def stream(
        self,
        work: Callable[[NodeClient], AsyncGenerator[T, None]],
        on_item: Callable[[T], None],
        on_end: Callable[[], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        """Run the async generator `work(client)` on the bridge's thread; on the main thread `on_item` follows for each
        of its items in order, then exactly one of `on_end` and `on_error`.

        `cancel()` closes the generator (its `finally` runs on the bridge's thread); no callback comes after it.
        """
        errand = Errand(self._mailbox, on_error or self.failed.emit)

        async def run(client: NodeClient) -> None:
            async with aclosing(work(client)) as items:
                async for item in items:
                    errand.post(partial(on_item, item))
            if on_end is not None:
                errand.post(on_end)

        self._send(errand, run)
        return errand

    def _send(self, errand: Errand, work: Work) -> None:
        self._post(
            lambda: errand.begin(self._loop, lambda: self._keeper.run_errand(self._keeper.errand(work, errand.fail)))
        )

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
