"""What the command line says and does where no node runs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import build


def caravan(folder: Path, *words: str, typed: str = "") -> tuple[int, str]:
    """The exit code of a command and all it printed."""
    ended = CliRunner().invoke(build(lambda *_: 0), ["--data-dir", str(folder), *words], input=typed)
    return ended.exit_code, ended.output


@pytest.mark.parametrize("words", [("join",), ("join", "192.168.1.7")])
def test_a_code_is_not_asked_for_where_nothing_can_take_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, told = caravan(tmp_path, *words, typed="123456\n")
    assert code == 1
    assert "Caravan is not running" in told
    assert "six digits" not in told


def test_the_log_of_a_node_that_ended_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "caravan.log").write_text("one\ntwo\nthree\n", "utf-8")
    (tmp_path / "logs" / "a-head.log").write_text("loading\n", "utf-8")
    assert caravan(tmp_path, "logs", "-n", "2") == (0, "two\nthree\n")
    assert caravan(tmp_path, "logs", "--list") == (0, "caravan\na-head\n")
    code, told = caravan(tmp_path, "logs", "a-head", "--json")
    assert code == 0
    assert json.loads(told) == {"name": "a-head", "names": ["caravan", "a-head"], "lines": ["loading"]}
    code, told = caravan(tmp_path, "logs", "../settings")
    assert code == 1
    assert "There is no log named" in told


def test_where_no_node_ever_ran_there_is_no_log(tmp_path: Path) -> None:
    code, told = caravan(tmp_path, "logs")
    assert code == 1
    assert "Caravan is not running" in told


@pytest.mark.parametrize("prompt", ["", "  "])
def test_an_empty_prompt_is_no_conversation(tmp_path: Path, prompt: str) -> None:
    code, told = caravan(tmp_path, "chat", "--prompt", prompt)
    assert code == 1
    assert "The prompt is empty." in told
    assert ">" not in told
