"""The desktop program with somebody at its mouse and keyboard: `main_path_program FOLDER STORY [PICTURES]`.

Its node joins another by the code and the address in FOLDER/invitation.txt, as soon as that is there; then it goes the
main path, or, as a `guest`, asks the model that the other PC runs. It says each step; one that does not come within
minutes ends it with code 3.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from app.schema.node import Status
from app.system.paths import Paths
from app.ui.chat.message_actions import Deed
from app.ui.chat.page import ChatPage
from app.ui.chat.records import Author, Message, Stop
from app.ui.desk import Desk, Wish
from app.ui.desktop import has_tray, make_application, serve, starting_icon
from app.ui.joining.join import JoinDialog
from app.ui.leaving import LeavingDialog
from app.ui.models.page import ModelsPage
from app.ui.window.page import Page
from app.ui.window.shell import MainWindow
from app.ui.window.strip import Strip
from tests.ui.main_path_node import node_command

MODEL = "caravan-demo"
QUESTION = "What is Caravan, and how do I join a cluster?"
INVITATION = "invitation.txt"
ASKS_FOR_CODE = "asks for a code"
LAST_STEP = "the window is gone"
STEP_SECONDS = 150
MOST_QUESTIONS = 8
LOST = 3

Step = tuple[str, Callable[[], object]]


class Person(QObject):
    """Goes through a story: does what stands between two yields, then waits until what was yielded is so."""

    def __init__(self, story: Iterator[Step], pictures: Path | None) -> None:
        super().__init__()
        self._story, self._pictures = story, pictures
        self._step: Step = ("", lambda: True)
        self._since, self._number = time.monotonic(), 0
        self._timer = QTimer(self, interval=5)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        name, is_so = self._step
        try:
            if not is_so():
                if time.monotonic() - self._since > STEP_SECONDS:
                    self._give_up(f"not {name}")
                return
            self._picture(name)
            say(name)
            self._step, self._since = next(self._story), time.monotonic()
        except StopIteration:
            self._timer.stop()
        except Exception as error:
            self._give_up(f"after {name}: {error!r}")
            raise

    def _give_up(self, why: str) -> None:
        self._timer.stop()
        self._picture("lost")
        say(f"LOST: {why}")
        QApplication.exit(LOST)

    def _picture(self, name: str) -> None:
        self._number += 1
        for each in QApplication.topLevelWidgets():
            if self._pictures is not None and name and each.isVisible() and each.width() > 200:
                file = f"{self._number:02d} {name} {type(each).__name__}.png"
                each.grab().save(str(self._pictures / file))


def say(line: str) -> None:
    if line:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def click(widget: QWidget, place: QPoint | None = None) -> None:
    """The left button, in the middle of what is there, if a person could."""
    assert widget.isVisible(), f"{widget.accessibleName() or widget} cannot be seen"
    assert widget.isEnabled(), f"{widget.accessibleName() or widget} cannot be clicked"
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place or widget.rect().center())


def press(widget: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(widget, key, modifier)


def button(parent: QWidget, name: str) -> QAbstractButton:
    """The visible button whose accessible name begins like this."""
    named = buttons(parent, name)
    assert named, f"no {name!r} among {[each.accessibleName() for each in buttons(parent)]}"
    return named[0]


def buttons(parent: QWidget, name: str = "") -> list[QAbstractButton]:
    found = [each for each in parent.findChildren(QAbstractButton) if each.isVisible()]
    return [each for each in found if each.accessibleName().startswith(name)]


def open_window(kind: type[QWidget]) -> QWidget | None:
    return next((each for each in QApplication.topLevelWidgets() if isinstance(each, kind) and each.isVisible()), None)


class Seat:
    """What the person has before the eyes."""

    @property
    def window(self) -> MainWindow:
        found = open_window(MainWindow)
        assert isinstance(found, MainWindow)
        return found

    @property
    def page(self) -> Page:
        assert self.window.page is not None
        return self.window.page

    @property
    def desk(self) -> Desk:
        return self.page.desk

    @property
    def status(self) -> Status | None:
        return self.desk.status

    @property
    def models(self) -> ModelsPage:
        assert isinstance(self.page, ModelsPage)
        return self.page

    @property
    def chat(self) -> ChatPage:
        assert isinstance(self.page, ChatPage)
        return self.page

    @property
    def answers(self) -> list[Message]:
        return [each for each in self.chat.talk.path if each.author is Author.ASSISTANT]


def whole_story(folder: Path) -> Iterator[Step]:
    seat = Seat()
    yield "the window is open", lambda: open_window(MainWindow)
    yield "the node is there", lambda: seat.status is not None and seat.status.engine.build is not None
    yield from join(seat, folder / INVITATION)
    yield from launch(seat)
    yield from talk(seat)
    yield from search(seat)
    yield from leave(seat)


def story_of_a_guest(folder: Path) -> Iterator[Step]:
    seat = Seat()
    yield "the window is open", lambda: open_window(MainWindow)
    yield "the node is there", lambda: seat.status is not None and seat.status.engine.build is not None
    yield from join(seat, folder / INVITATION)
    click(seat.window.rail.buttons[Wish.CHAT])
    chat = seat.chat
    yield "the model of the other PC is there", lambda: chat.talk.instance is not None
    assert seat.status is not None
    assert not seat.status.instances
    assert chat.head.where.text() == "on LIVING ROOM", chat.head.where.text()
    QTest.keyClicks(chat.foot.composer.editor, QUESTION)
    press(chat.foot.composer.editor, Qt.Key.Key_Return)
    yield "its answer is whole", lambda: seat.answers and seat.answers[0].stop
    assert seat.answers[0].stop is Stop.END, seat.answers[0]
    yield "its speed is told", lambda: "tok/s" in seat.window.findChild(Strip).line.text()
    click(seat.window.rail.buttons[Wish.MODELS])
    strip = seat.models.strip
    yield "it can be unloaded from here", lambda: buttons(strip, "Unload")
    click(button(strip, "Unload"))
    yield "it is gone", lambda: not strip.isVisible()
    press(seat.window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    yield LAST_STEP, lambda: open_window(MainWindow) is None


STORIES = {"whole": whole_story, "guest": story_of_a_guest}


def join(seat: Seat, invitation: Path) -> Iterator[Step]:
    click(seat.window.rail.buttons[Wish.CLUSTER])
    click(button(seat.page, "Join..."))
    yield ASKS_FOR_CODE, lambda: open_window(JoinDialog)
    dialog = open_window(JoinDialog)
    assert isinstance(dialog, JoinDialog)
    yield "a code is there", lambda: invitation.exists() and invitation.read_text().count(" ") == 1
    code, address = invitation.read_text().split()
    if not any(each.isChecked() for each in dialog.findChildren(QAbstractButton)):
        click(button(dialog, "It is not in the list"))
        QTest.keyClicks(dialog.address, address)
    QTest.keyClicks(dialog.code, code)
    click(dialog.join)
    yield "joined", lambda: dialog.cancel.text() == "Done"
    click(dialog.cancel)
    # What a window manager does when a dialog closes; there is none.
    seat.window.activateWindow()
    yield "the window has the keyboard again", lambda: seat.window.isActiveWindow()
    yield "both PCs are in the picture", lambda: seat.status is not None and gathered(seat.status)


def gathered(status: Status) -> bool:
    return any(each.report and each.report.devices and each.report.engine.build for each in status.peers)


def launch(seat: Seat) -> Iterator[Step]:
    click(seat.window.rail.buttons[Wish.MODELS])
    view = seat.models.pane.view
    yield "the demo model is listed", lambda: view.rows.place(key_of(seat)) is not None
    row = view.visualRect(view.rows.index(view.rows.place(key_of(seat)) or 0))
    click(view.viewport(), row.center())
    details = seat.models.side.details
    yield "both PCs are offered", lambda: details.planning.answer and buttons(details.body.choice, "2 PCs")
    click(button(details.body.choice, "2 PCs"), QPoint(10, 10))
    yield "it would run on both", lambda: details.launch.isEnabled() and details.launch.text() == "Launch on 2 PCs"
    click(details.launch)
    yield "it launches", lambda: seat.models.side.panel.isVisible()
    yield "it is ready", lambda: seat.models.side.panel.chat.isVisible()
    assert seat.status is not None
    assert seat.status.instances[0].plan.pcs == 2
    click(seat.models.side.panel.chat)


def key_of(seat: Seat) -> str:
    row = seat.models.shelf.row_of(MODEL)
    return row.key if row else ""


def talk(seat: Seat) -> Iterator[Step]:
    yield "the chat is open", lambda: isinstance(seat.page, ChatPage)
    chat = seat.chat
    assert "+" in chat.head.where.text(), chat.head.where.text()
    editor = chat.foot.composer.editor
    yield "there is somebody to ask", lambda: chat.talk.instance is not None
    # The demo model says all it knows within a second, so an answer may be whole before it can be stopped.
    for number in range(MOST_QUESTIONS):
        QTest.keyClicks(editor, QUESTION)
        press(editor, Qt.Key.Key_Return)
        yield "the answer grows", lambda number=number: len(seat.answers) > number and seat.answers[number].text
        press(editor, Qt.Key.Key_Escape)
        yield "it is stopped", lambda: not chat.talk.is_busy
        first = seat.answers[-1]
        if first.stop is Stop.STOPPED:
            break
    assert first.stop is Stop.STOPPED, first
    view = chat.stage.list.view(first.id)
    assert view is not None
    click(view.actions_row._button(Deed.AGAIN))
    yield "another answer is whole", lambda: seat.answers[-1].id != first.id and seat.answers[-1].stop
    second = seat.answers[-1]
    assert second.stop is Stop.END, second
    assert second.figures.rate, second
    assert chat.talk.tree.place(second.id) == (2, 2)


def search(seat: Seat) -> Iterator[Step]:
    chat, rows = seat.chat, seat.chat.shelf.rows
    press(chat.foot.composer.editor, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    yield "the search has the keyboard", lambda: chat.shelf_view.search.hasFocus()
    QTest.keyClicks(chat.shelf_view.search, "zebra crossing")
    yield "nothing is found", lambda: rows.rowCount() == 0
    chat.shelf_view.search.clear()
    QTest.keyClicks(chat.shelf_view.search, "join cluster")
    yield "the chat is found", lambda: rows.rowCount() == 1 and chat.shelf.is_searching


def leave(seat: Seat) -> Iterator[Step]:
    press(seat.window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    yield "it asks before it ends", lambda: open_window(LeavingDialog)
    dialog = open_window(LeavingDialog)
    assert isinstance(dialog, LeavingDialog)
    click(dialog.stop)
    yield LAST_STEP, lambda: open_window(MainWindow) is None


def main() -> int:
    folder = Path(sys.argv[1])
    pictures = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    application = make_application()
    person = Person(STORIES[sys.argv[2]](folder), pictures)
    icon = starting_icon() if has_tray() else None
    code = serve(application, Paths.under(folder), node_command(folder), icon, is_hidden=False)
    person.deleteLater()
    return code


if __name__ == "__main__":
    sys.exit(main())
