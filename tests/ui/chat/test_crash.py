"""A program that is killed in the middle of an answer loses at most the last moments of it."""

import subprocess
import sys
import time
from pathlib import Path

from app.system.paths import Paths
from app.ui.chat.page import CONVERSATIONS
from app.ui.chat.records import Stop
from app.ui.chat.store import open_store
from tests.ui.chat import crash_program

ALLOWED_SECONDS = 3.0
"""More than the second that a quiet PC loses: a busy one may write late."""

WRITING_SECONDS = 6.0


def shown_until_killed(folder: Path) -> list[tuple[float, int]]:
    """When each word was shown, by the clock of this process."""
    command = [sys.executable, "-m", crash_program.__name__, str(folder)]
    shown: list[tuple[float, int]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            shown.append((time.monotonic(), int(line)))
            if shown[-1][0] - shown[0][0] > WRITING_SECONDS:
                child.kill()
                break
        killed = time.monotonic()
    shown.append((killed, shown[-1][1]))
    return shown


def test_a_kill_loses_at_most_the_last_moments(tmp_path: Path) -> None:
    shown = shown_until_killed(tmp_path)
    opened = open_store(Paths.under(tmp_path).data / CONVERSATIONS)
    assert opened.kept_aside is None
    (conversation,) = opened.store.conversations()
    question, answer = opened.store.messages(conversation.id)
    assert question.text == "Tell me a story without an end"
    assert answer.stop is Stop.INTERRUPTED
    assert conversation.leaf == answer.id
    kept = int(answer.text.split()[-1].removeprefix("w"))
    assert answer.text.split() == [f"w{number}" for number in range(kept + 1)]
    killed = shown[-1][0]
    due = max(number for at, number in shown if at < killed - ALLOWED_SECONDS)
    print(f"shown {shown[-1][1]}, kept {kept}, due {due}")  # noqa: T201
    assert kept >= due
    assert opened.store.search("story end")
    opened.store.close()
