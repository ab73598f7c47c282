"""What others wrote is printed as they wrote it, and the terminal is left as it was found."""

import io
from contextlib import suppress

import pytest
from rich.console import Console
from rich.table import Table

from app.cli.console import Session, new_session
from app.cli.facts import _after
from app.cli.running import phase_screen

SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"


def test_markup_and_emoji_names_in_a_model_s_name_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    name = "x[bold]y[/nope] :rocket:"
    table = Table(box=None)
    table.add_column("model")
    table.add_row(name)
    to = new_session(None)
    to.out.print(table)
    to.say(name)
    assert capsys.readouterr().out.count(name) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), None])
def test_the_cursor_comes_back_however_a_launch_ends(error: BaseException | None) -> None:
    screen = io.StringIO()
    to = Session(None, Console(file=screen, force_terminal=True), Console(file=io.StringIO()))
    with suppress(KeyboardInterrupt, ValueError), phase_screen(to, quiet=False):
        assert HIDDEN in screen.getvalue()
        if error is not None:
            raise error
    assert screen.getvalue().rindex(SHOWN) > screen.getvalue().rindex(HIDDEN)


def test_a_followed_log_prints_each_new_line_once() -> None:
    idle = "all slots are idle"
    seen = ["start", idle, idle]
    assert _after(seen, [*seen, idle, "end"]) == [idle, "end"]
    assert _after(seen, seen) == []
    assert _after(["a", "b", "c"], ["b", "c", "d"]) == ["d"]
