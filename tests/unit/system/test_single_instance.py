"""One claim per name over real processes, and wishes that reach the first."""

import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.system.single_instance import MESSAGE_LIMIT, Claim, claim, hand_over, instance_name

CHECKOUT = Path(__file__).parents[3]
HOLDER = """
import sys
from app.system.single_instance import claim
held = claim(sys.argv[1])
print('held' if held else 'taken', flush=True)
sys.stdin.read()
"""
SENDER = """
import sys
from app.system.single_instance import claim, hand_over
assert claim(sys.argv[1]) is None
sys.exit(0 if hand_over(sys.argv[1], sys.argv[2]) else 1)
"""


@pytest.fixture
def name() -> str:
    return f"Caravan-test-{secrets.token_hex(8)}"


@pytest.fixture(autouse=True)
def _own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@contextmanager
def other_process(name: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    argv = [sys.executable, "-c", HOLDER, name]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def claimed(name: str) -> Claim:
    found = claim(name)
    assert found is not None
    return found


def test_the_second_process_is_refused_until_the_first_gives_back(name: str) -> None:
    with claimed(name):
        assert claim(name) is None
        with other_process(name) as (_, answer):
            assert answer == "taken"
    with other_process(name) as (_, answer):
        assert answer == "held"


def test_a_killed_process_gives_the_name_back(name: str) -> None:
    with other_process(name) as (process, answer):
        assert answer == "held"
        assert claim(name) is None
        process.kill()
        process.wait()
        claimed(name).close()


def test_other_names_are_free(name: str) -> None:
    with claimed(name), claimed(f"{name}-2"):
        pass


def test_messages_of_another_process_arrive_in_order_and_whole(name: str) -> None:
    heard: queue.Queue[str] = queue.Queue()
    with claimed(name) as first:
        first.listen(heard.put)
        for message in ("show", "zeige Jörgs 测试 🐪", "x" * MESSAGE_LIMIT):
            argv = [sys.executable, "-X", "utf8", "-c", SENDER, name, message]
            subprocess.run(argv, cwd=CHECKOUT, check=True, timeout=120)
            assert heard.get(timeout=60) == message
    assert not hand_over(name, "too late")


def test_many_at_once_are_all_heard(name: str) -> None:
    heard: queue.Queue[str] = queue.Queue()
    sent = {f"message {number}" for number in range(8)}
    with claimed(name) as first:
        first.listen(heard.put)
        senders = [threading.Thread(target=hand_over, args=(name, message)) for message in sent]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert {heard.get(timeout=60) for _ in sent} == sent


def test_a_sender_waits_for_a_first_start_that_does_not_listen_yet(name: str) -> None:
    heard: queue.Queue[str] = queue.Queue()
    answers: queue.Queue[bool] = queue.Queue()
    with claimed(name) as first:
        sender = threading.Thread(target=lambda: answers.put(hand_over(name, "show")))
        sender.start()
        first.listen(heard.put)
        assert answers.get(timeout=60)
        assert heard.get(timeout=60) == "show"
        sender.join()


def test_closing_ends_the_thread_and_may_be_repeated(name: str) -> None:
    before = threading.active_count()
    first = claimed(name)
    first.listen(lambda _: None)
    first.close()
    first.close()
    assert threading.active_count() == before
    claimed(name).close()


@pytest.mark.parametrize("message", ["", "x" * (MESSAGE_LIMIT + 1)])
def test_what_is_no_message_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match="a message has"):
        hand_over(name, message)


def test_one_folder_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "data ü").mkdir()
    straight = instance_name(tmp_path / "data ü")
    assert instance_name(tmp_path / "x" / ".." / "data ü") == straight
    assert instance_name(tmp_path) != straight
    assert straight.isascii()
    assert len(straight) == 24
