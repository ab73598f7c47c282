import sys
from pathlib import Path

import pytest

from app.engine.commands import Command
from app.engine.fit import DeviceMemory, measure, parse
from app.schema import errors
from tests.unit.engine import recorded


def test_a_recorded_projection() -> None:
    memory = parse(recorded.read("b11434-fit-params").of("stdout"))
    assert memory == {"RPC0": DeviceMemory(9, 4, 6), "RPC1": DeviceMemory(11, 5, 6), "Host": DeviceMemory(7, 3, 7)}
    assert memory["RPC0"].total == 19


def test_other_output_is_no_projection() -> None:
    assert parse(recorded.read("b7827-fit-params").of("stdout")) == {}
    assert parse("RPC0 9 4\n\nHost 1 2 3 4\r\n") == {}


def program(text: str, code: int = 0, stream: str = "stdout") -> Command:
    script = f"import sys; sys.{stream}.write({text!r}); sys.exit({code})"
    return Command((sys.executable, "-c", script))


async def test_a_projection_is_measured() -> None:
    assert await measure(program("CUDA0 1 2 3 \nHost 4 5 6 \n"), "Study", {}) == {
        "CUDA0": DeviceMemory(1, 2, 3),
        "Host": DeviceMemory(4, 5, 6),
    }


async def test_an_unreachable_worker_is_named() -> None:
    recording = recorded.read("b11434-fit-params-unreachable")
    command = program(recording.of("stderr"), 134, "stderr")
    with pytest.raises(errors.WorkerLost, match="Attic"):
        await measure(command, "Study", {recording.endpoints[0]: "Attic"})


async def test_no_figures_is_a_broken_engine() -> None:
    with pytest.raises(errors.EngineBroken, match="no figures"):
        await measure(program("nothing"), "Study", {})


async def test_a_hanging_check_ends() -> None:
    hanging = Command((sys.executable, "-c", "import threading; threading.Event().wait()"))
    with pytest.raises(errors.EngineBroken, match="did not end"):
        await measure(hanging, "Study", {}, deadline=0.3)


async def test_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(errors.EngineMissing, match="program gone on Study cannot be started"):
        await measure(Command((str(tmp_path / "gone"),)), "Study", {})
