"""`caravan bench` on a cluster of three PCs: every split runs, and the report tells what somebody else needs."""

import json
import sys
from pathlib import Path

import pytest

from app.cli.bench_report import BenchReport
from app.cli.bench_splits import DEFAULT, PLANNED, PROPORTIONAL
from app.engine.calibration_model import CalibrationShape, write_model
from app.schema.instance import InstanceState
from app.schema.speed import WeightFormat
from app.system.spawn import Finished
from tests.cluster import holds
from tests.cluster.bed import Bed
from tests.cluster.pcs import MODEL, Pc, launched

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

HOSTS = PCS = ("a", "b", "c")
BIGGER = CalibrationShape("bigger", WeightFormat.Q4_K, 10, 1024, 2816, 16, 4)
SHORT = ("--runs", "1", "--prompt-tokens", "64", "--answer-tokens", "16")


@pytest.fixture(autouse=True)
def _no_leftovers() -> None:
    """Programs of the PCs come and go; what is left at the end of the module fails its bed."""


async def bench(pc: Pc, model: str, out: Path, *options: str) -> Finished:
    """The command as a user of that PC gives it."""
    command = (sys.executable, "-m", "app", "--data-dir", str(pc.folder), "bench", model, "--out", str(out))
    return await pc.host.run(*command, *SHORT, *options, deadline=400)


def check(report: BenchReport, pcs: tuple[Pc, ...]) -> None:
    """Fail where the report lacks a PC, a link, a split or a figure."""
    assert {pc.name for pc in report.pcs} == {pc.name for pc in pcs}
    assert [link.pc for link in report.links] == sorted(pc.name for pc in pcs[1:])
    assert all(link.round_trip and link.throughput for link in report.links), report.links
    assert [name for split in report.splits for name in split.names] == [PLANNED, DEFAULT, PROPORTIONAL]
    for split in report.splits:
        assert split.plan is not None
        assert split.problem is None
        (sample,) = split.samples
        assert abs(sample.prompt_tokens - 64) <= 32
        assert sample.answer_tokens == 16
        assert min(sample.decode_speed, sample.prompt_speed, sample.first_token, sample.load) > 0


def ranges(report: BenchReport, name: str) -> list[tuple[str, int]]:
    """The PCs of a split with their layers."""
    split = next(each for each in report.splits if name in each.names)
    assert split.plan is not None
    return [(stage.node_name, stage.layers) for stage in split.plan.stages]


@pytest.mark.parametrize("kind", ["demo", "random"])
async def test_all_three_splits_are_measured_and_told(bed: Bed, pcs: tuple[Pc, ...], tmp_path: Path, kind: str) -> None:
    a, b, c = pcs
    model, layers = MODEL, 12
    if kind == "random":
        path = tmp_path / "größer als die Demo.gguf"
        write_model(path, BIGGER)
        model, layers = str(path), BIGGER.blocks
    done = await bench(a, model, tmp_path / "out")
    assert done.returncode == 0, done
    (text_path,), (json_path,) = (tmp_path / "out").glob("*.md"), (tmp_path / "out").glob("*.json")
    report = BenchReport.model_validate_json(json_path.read_bytes())
    check(report, pcs)
    assert str(tmp_path) not in json_path.read_text("utf-8")
    assert [name for name, _ in ranges(report, DEFAULT)] == [b.name, c.name]
    assert ranges(report, PROPORTIONAL) == [(pc.name, layers // 3 + (pc is a and layers % 3)) for pc in pcs]
    text = text_path.read_text("utf-8")
    for word in (*(pc.name for pc in pcs), PLANNED, DEFAULT, PROPORTIONAL, "tok/s", "times as fast", "caravan bench"):
        assert word in text, text
    assert str(tmp_path) not in text
    assert a.status is not None
    for instance in a.status.instances:
        holds.check_buffers(instance.plan, instance.buffers)


async def test_it_is_refused_while_a_model_runs(bed: Bed, pcs: tuple[Pc, ...], tmp_path: Path) -> None:
    a, b, _ = pcs
    await launched(b, a)
    await a.until(lambda status: any(each.state is InstanceState.READY for each in status.all_instances))
    done = await bench(a, MODEL, tmp_path, "--json")
    assert done.returncode == 1, done
    assert json.loads(done.stdout)["error"]["sentence"] == "A model is running, which would disturb the figures."
    assert not list(tmp_path.iterdir())
