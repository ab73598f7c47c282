"""llama.cpp's RPC frames are followed through any cut of the stream; what may not pass is seen at its first byte."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cluster.link_process.rpc_frames import COMMANDS, SMALL_LIMIT, RpcFrames


def frame(command: int, payload: bytes = b"", size: int | None = None) -> bytes:
    return bytes([command]) + (len(payload) if size is None else size).to_bytes(8, "little") + payload


def fed(frames: RpcFrames, stream: bytes, cuts: list[int]) -> list[str | None]:
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [frames.feed(stream[begin:end]) for begin, end in itertools.pairwise(edges)]


good_frames = st.lists(st.tuples(st.integers(0, COMMANDS - 1), st.binary(max_size=200)), max_size=8)
cuts = st.lists(st.integers(min_value=0), max_size=20)


@given(good_frames, cuts)
def test_every_known_command_passes_however_it_is_cut(commands: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(frame(command, payload) for command, payload in commands)
    assert not any(fed(RpcFrames(), stream, cuts))


@given(good_frames, st.integers(COMMANDS, 255), cuts)
def test_an_unknown_command_is_seen_with_its_first_byte(
    before: list[tuple[int, bytes]], bad: int, cuts: list[int]
) -> None:
    stream = b"".join(frame(command, payload) for command, payload in before)
    frames = RpcFrames()
    assert not any(fed(frames, stream, cuts))
    assert frames.feed(bytes([bad])) == f"command {bad} is not allowed"


@pytest.mark.parametrize("name", ["COMM_INIT", "COMM_ALLREDUCE", "COMM_FREE"])
def test_the_server_to_server_commands_do_not_pass(name: str) -> None:
    number = {"COMM_INIT": 20, "COMM_ALLREDUCE": 21, "COMM_FREE": 22}[name]
    assert RpcFrames().feed(frame(14, bytes(24)) + frame(number, bytes(16))) is not None


@pytest.mark.parametrize(
    ("command", "size", "passes"),
    [
        (0, 12, True),
        (0, SMALL_LIMIT + 1, False),
        (10, 1 << 30, True),
        (10, (1 << 30) + 1, False),
        (6, 1 << 39, True),
        (6, (1 << 64) - 1, False),
        (14, 1 << 40, False),
    ],
)
def test_sizes(command: int, size: int, passes: bool) -> None:
    assert (RpcFrames().feed(frame(command, size=size)) is None) is passes


def test_a_tensor_may_not_be_larger_than_the_lease() -> None:
    assert RpcFrames(1000).feed(frame(6, size=1000)) is None
    assert RpcFrames(1000).feed(frame(6, size=1 << 20)) == "command 6 announces 1048576 bytes"


def test_payloads_are_not_kept() -> None:
    frames = RpcFrames()
    assert frames.feed(frame(6, size=1 << 30)) is None
    for _ in range(1 << 10):
        assert frames.feed(bytes(1 << 20)) is None
    assert frames.feed(frame(20)) is not None


@given(st.binary(max_size=300), cuts)
def test_garbage_never_raises(stream: bytes, cuts: list[int]) -> None:
    whole = RpcFrames().feed(stream)
    assert bool(whole) == any(fed(RpcFrames(), stream, cuts))
