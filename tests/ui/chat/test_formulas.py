r"""Formulas in answers: drawn, streamed, copied, read out."""

import re

from PySide6.QtGui import QColor, QImage, QTextCursor

from app.ui.chat.formula_object import OBJECT, fragments
from app.ui.chat.prose import Prose
from app.ui.chat.records import Author
from app.ui.chat.sample import conversation, message
from tests.ui.chat.conftest import Chat
from tests.ui.chat.test_smooth import beaten
from tests.ui.conftest import Until
from tests.ui.heartbeat import calm, most

ANSWER = r"""With $a \neq 0$ and \(b\), for $5 and not $10:

$$x = \frac{-b \pm \sqrt{b^2-4ac}}{2a}$$

- an item \[ y
  = 1 \]

| Name | Value |
| --- | --- |
| energy | $E = mc^2$ |

Never $\frac{$."""


def show(chat: Chat, text: str) -> None:
    chat.page.talk.show(
        conversation("a"), [message("q", None, Author.USER, "?"), message("a", "q", Author.ASSISTANT, text)]
    )


def prose(chat: Chat) -> Prose:
    view = chat.page.stage.list.view(chat.page.talk.path[-1].id)
    assert view is not None
    assert view.body is not None
    part = view.body.parts[0]
    assert isinstance(part, Prose)
    return part


def drawn(chat: Chat) -> int:
    view = chat.page.stage.list.view(chat.page.talk.path[-1].id)
    if view is None or view.body is None or not view.body.parts:
        return 0
    objects = [each for each in fragments(prose(chat).document()) if each.charFormat().objectType() == OBJECT]
    return sum(each.length() for each in objects)


def test_formulas_are_drawn_and_copied_as_they_were_written(chat: Chat, until: Until) -> None:
    show(chat, ANSWER)
    until(lambda: drawn(chat) == 5)
    shown = prose(chat)
    assert "$5 and not $10:" in shown.toPlainText()
    assert r"Never $\frac{$." in shown.toPlainText()
    assert r"\sqrt" not in shown.toPlainText()
    shown.selectAll()
    copied = shown.createMimeDataFromSelection().text()
    for written in re.findall(r"\$\$.+?\$\$|\\\(.+?\\\)|\$[aE].+?\$", ANSWER):
        assert written in copied
    assert r"\[ y" in copied
    assert shown.accessibleDescription() == copied
    cursor = QTextCursor(shown.document())
    cursor.setPosition(5)
    cursor.setPosition(6, QTextCursor.MoveMode.KeepAnchor)
    shown.setTextCursor(cursor)
    assert shown.createMimeDataFromSelection().text() == r"$a \neq 0$"


def test_the_height_follows_and_what_streams_stays(chat: Chat, until: Until) -> None:
    chat.write("?")
    chat.model.last.says("Let $x")
    chat.page.stage.tick()
    assert prose(chat).toPlainText() == "Let $x"
    chat.model.last.says("^2$ be $$\\frac{\\frac{a}{b}}{c}$$")
    chat.page.stage.tick()
    until(lambda: drawn(chat) == 1)
    chat.model.last.says("\n\nand more\n\nand more")
    chat.page.stage.tick()
    until(lambda: drawn(chat) == 2)
    chat.model.last.ends()
    shown = prose(chat)
    assert drawn(chat) == 2
    assert shown.written_text() == "Let $x^2$ be\n$$\\frac{\\frac{a}{b}}{c}$$\nand more\nand more"
    assert shown.height() >= shown.document().size().height()
    view = chat.page.stage.list.view(chat.page.talk.path[-1].id)
    assert view is not None
    assert view.height() > shown.height()


def ink(chat: Chat) -> set[str]:
    """The colours of a picture of the answer."""
    picture: QImage = prose(chat).grab().toImage()
    return {QColor(picture.pixel(x, y)).name() for x in range(0, picture.width()) for y in range(picture.height())}


def test_formulas_have_the_colour_of_the_text_in_both_themes(chat: Chat, until: Until) -> None:
    show(chat, r"$$\rule{2em}{2em} \frac{MMMM}{MMMM}$$")
    for is_dark in (False, True):
        chat.theme.force(is_dark)
        until(lambda: drawn(chat) == 1)
        assert chat.theme.palette.ink.lower() in ink(chat)
    chat.theme.force(False)


def test_a_formula_too_wide_for_the_column_is_made_smaller(chat: Chat, until: Until) -> None:
    show(chat, "$$" + " + ".join(f"x_{{{number}}}" for number in range(40)) + "$$")
    until(lambda: drawn(chat) == 1)
    shown = prose(chat)
    assert shown.document().idealWidth() <= shown.width()


def test_a_megabyte_of_open_fractions(chat: Chat, until: Until) -> None:
    text = r"\frac{" * 170_000
    with calm():
        heart = beaten("opening 1 MB of open fractions", lambda: show(chat, text), 2.0)
        assert heart.by_cpu < 2 * most()
        view = chat.page.stage.list.view("a")
        assert view is not None
        assert view.isVisible()
        chat.page.talk.begin()
