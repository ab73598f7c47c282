"""The page over a real node and a hub on this PC: found, planned, downloaded over a restart, launched from, removed."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from app.schema.download import Download, DownloadPhase
from app.schema.settings import Settings
from app.system.files import write_atomically
from app.system.paths import Paths, resources_folder
from app.ui.bridge import Bridge
from app.ui.desk import Desk
from app.ui.discover.download_line import DownloadLine
from app.ui.face import Link
from app.ui.models.page import ModelsPage
from app.ui.models.row_menu import RowMenu
from app.ui.parts.dialog import Dialog
from app.ui.style.theme import Theme
from app.ui.wish import FIND
from tests.fakes.model_hub import ModelHub
from tests.ui.conftest import Until
from tests.ui.main_path_node import node_command

NAME = "caravan/Demo-GGUF"
_QUEUED = Qt.ConnectionType.QueuedConnection


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    """A hub on a thread of its own, with the demo model, not too fast."""
    served, begun, ended = ModelHub(), threading.Event(), asyncio.Event()
    served.add(NAME, {"Demo-Q4_K_M.gguf": (resources_folder() / "demo_model" / "caravan-demo.gguf").read_bytes()})
    served.manner.pause = 0.01
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with served.serving():
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="hub of a test")
    thread.start()
    begun.wait()
    yield served
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


class Seat:
    """The page over a node that it starts and ends."""

    def __init__(self, paths: Paths) -> None:
        self.bridge = Bridge(paths, node_command(paths.data), retry=0.1)
        self.desk = Desk(self.bridge, paths)
        self.bridge.attached.connect(lambda found: self.desk.take_link(Link.FOUND, found.api_url), _QUEUED)
        self.bridge.status_changed.connect(self.desk.take_status, _QUEUED)
        self.page = ModelsPage(self.desk, Theme(is_dark=False, has_motion=False))
        self.page.resize(950, 650)
        self.page.show()
        self.bridge.start()

    @property
    def download(self) -> Download | None:
        status = self.desk.status
        return status.downloads[0] if status is not None and status.downloads else None

    @property
    def phase(self) -> DownloadPhase | None:
        return self.download.phase if self.download is not None else None

    @property
    def line(self) -> DownloadLine:
        (found,) = self.page.downloads.lines.values()
        return found

    def press(self, words: str, until: Until) -> None:
        until(lambda: words in [button.text() for button in self.line.buttons])
        next(button for button in self.line.buttons if button.text() == words).click()

    def close(self) -> None:
        self.page.hide()
        self.page.deleteLater()
        self.bridge.stop()
        QApplication.processEvents()


def answer(words: str) -> None:
    dialog = next(each for each in QApplication.topLevelWidgets() if isinstance(each, Dialog) and each.isVisible())
    next(each for each in dialog.findChildren(QPushButton) if each.text() == words).click()


def test_from_the_hub_to_the_picker_over_a_restart(
    hub: ModelHub, application: QApplication, paths: Paths, until: Until
) -> None:
    paths.ensure()
    settings = Settings(name="WORKSHOP", use_known_folders=False, cpu_threads=1, hub_mirror=hub.address)
    write_atomically(paths.settings, settings.model_dump_json().encode())
    with contextlib.closing(Seat(paths)) as seat:
        begin(seat, until)
    with contextlib.closing(Seat(paths)) as seat:
        go_on(seat, until)


def begin(seat: Seat, until: Until) -> None:
    """Find it, see where it fits, begin to download, pause."""
    until(lambda: seat.desk.status is not None and seat.desk.status.engine.build is not None)
    seat.page.wish(FIND + "demo")
    files = seat.page.finding.repository.files
    until(lambda: files.current is not None and files.current.verdict.fit.fits)
    assert files.current is not None
    assert (files.current.name, files.current.is_recommended) == ("Q4_K_M", True)
    assert seat.page.finding.repository.plan.bars.isVisible()
    files.setFocus()
    QTest.keyClick(files, Qt.Key.Key_Return)
    until(lambda: seat.download is not None and seat.download.bytes_done > 500_000)
    seat.press("Pause", until)
    until(lambda: seat.phase is DownloadPhase.PAUSED)


def go_on(seat: Seat, until: Until) -> None:
    """A new program: the download is still there; finish it, turn to it in the picker, remove it."""
    until(lambda: seat.phase is DownloadPhase.PAUSED and seat.page.downloads.isVisible())
    assert seat.download is not None
    assert seat.download.bytes_done > 500_000
    seat.press("Resume", until)
    until(lambda: seat.phase is DownloadPhase.DONE)
    path = Path(str(seat.download.path))
    assert path.read_bytes() == (resources_folder() / "demo_model" / "caravan-demo.gguf").read_bytes()
    seat.press("Launch...", until)
    details = seat.page.side.details
    until(lambda: details.name.text() == "Demo" and details.launch.isEnabled())
    until(lambda: not seat.page.downloads.isVisible())
    details.more.click()
    menu = next(each for each in seat.page.findChildren(RowMenu) if each.isVisible())
    menu.remove.trigger()
    menu.close()
    answer("Remove it")
    until(lambda: not path.exists() and all(row.name != "Demo" for row in seat.page.shelf.rows))
