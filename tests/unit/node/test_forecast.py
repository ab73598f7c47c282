"""The engine's figures are found at the end of an answer, whatever else it holds."""

import json

import pytest

from app.node.forecast import Timings, timings_in

FIGURES = {"prompt_n": 12, "predicted_n": 40, "prompt_per_second": 300.5, "predicted_per_second": 21.25}
FOUND = Timings(12, 40, 300.5, 21.25)


def test_of_a_stream() -> None:
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "timings": FIGURES}
    stream = f'data: {{"choices": [{{"delta": {{"content": "x"}}}}]}}\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n'
    assert timings_in(stream.encode()) == FOUND
    cut = stream.encode()[60:]
    assert timings_in(cut) == FOUND


def test_of_a_whole_answer() -> None:
    text = json.dumps({"choices": [{"message": {"content": 'he said "timings": {}'}}], "timings": FIGURES})
    assert timings_in(text.encode()) == FOUND


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"data: [DONE]\n\n",
        b'{"timings": ',
        b'{"timings": []}',
        b'{"timings": {"prompt_n": "x", "predicted_n": 1}}',
        b'\xff"timings":\xff',
    ],
)
def test_nothing_is_made_up(tail: bytes) -> None:
    assert timings_in(tail) is None


def test_a_speed_that_is_none_is_not_told() -> None:
    figures = {"prompt_n": 0, "predicted_n": 1, "prompt_per_second": None, "predicted_per_second": 0}
    assert timings_in(json.dumps({"timings": figures}).encode()) == Timings(0, 1, None, None)
