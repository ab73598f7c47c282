"""Every refusal for lack of memory names the smaller file that would do, whatever cluster was asked about."""

import asyncio
from pathlib import Path

import gguf
import pytest

from app.instances.lending import Lender, Lending
from app.modelstore.catalogue import Catalogue
from app.node.bus import Bus
from app.node.corrections import Corrections
from app.node.excesses import Excesses
from app.node.forecast import Forecast
from app.node.library import Library
from app.node.shared_models import SharedModels
from app.node.speeds import Speeds, SpeedsPlace
from app.planner.plan import plan as make_plan
from app.schema.engine import EngineStatus
from app.schema.instance import Lease
from app.schema.model import ModelFile
from app.schema.node import Status
from app.schema.plan import DeviceResources, Plan, PlanRequest, Refusal
from app.schema.record import NodeId
from tests.unit.instances.plans import plan, stage
from tests.unit.modelstore.sample_files import write_model
from tests.unit.node.test_idle import FIRST, instance
from tests.unit.node.test_speeds import BUILD
from tests.unit.planner.samples import GIB, cluster, cpu, node

Q4_0 = gguf.GGMLQuantizationType.Q4_0


class Nobody:
    """A gate and a maker of workers that no plan comes to."""

    async def admit(self, lease: Lease, port: int) -> str | None:
        raise AssertionError(lease, port)

    async def dismiss(self, ticket: str) -> None:
        raise AssertionError(ticket)

    def worker(self, lease: Lease) -> None:
        raise AssertionError(lease)

    def link(self, node: NodeId) -> None:
        raise AssertionError(node)


class Place:
    """A node's forecast over real files; its one device has `free` bytes beside the reserve."""

    def __init__(self, folder: Path) -> None:
        self.free = 0
        nobody, folders = Nobody(), (folder / "models",)
        self.bus = Bus(FIRST.model_copy(update={"engine": EngineStatus(build=BUILD)}))
        self.library = Library(Catalogue(folders, folder / "cache"), folders, lambda _: None)
        lender = Lender(lambda: "STUDY", lambda: True, self._devices, nobody.worker, nobody)  # type: ignore[arg-type]
        self.forecast = Forecast(
            self.bus,
            self.library,
            Lending(lender, lambda _: None),
            SharedModels(nobody.link),  # type: ignore[arg-type]
            Speeds(SpeedsPlace(self._status, lambda: None, folder)),
            Corrections(folder / "corrections.json"),
            Excesses(folder / "excesses.json"),
            lambda *_: None,
        )

    def _status(self) -> Status:
        return self.bus.status

    def _devices(self) -> tuple[DeviceResources, ...]:
        return (cpu(GIB + self.free, 8 * GIB),)

    async def big_one(self, name: str) -> ModelFile:
        """The model, for which there is now one byte too little."""
        await self.library.rescan()
        model = await self.library.find(name)
        self.free = needed(model) - 1
        return model


def needed(model: ModelFile) -> int:
    """What a processor alone must have for it, without the reserve."""
    assert model.shape is not None
    view = cluster(node("ANY", cpu(8 * GIB), holds=True))
    found = make_plan(PlanRequest(model_id=model.id), model.shape, view)
    assert isinstance(found, Plan)
    return sum(stage.total_bytes for stage in found.stages) + found.head_ram_bytes


def hint(answer: Plan | Refusal) -> str:
    assert isinstance(answer, Refusal)
    return answer.hint


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for folder in (tmp_path / "models", tmp_path / "外 side"):
        write_model(folder / f"{folder.name}-F16.gguf", context_length=512)
        write_model(folder / f"{folder.name}-Q4_0.gguf", context_length=512, kind=Q4_0)
    return Place(tmp_path)


async def test_of_this_pc(place: Place) -> None:
    model = await place.big_one("models-F16")
    assert model.shape is not None
    answer = await asyncio.to_thread(place.forecast.plan, PlanRequest(model_id=model.id), model, model.shape)
    assert "models-Q4_0 (1 MB) fits on 1 PC with 512 tokens of context." in hint(answer)


async def test_beside_a_model_that_is_given_by_its_path(place: Place, tmp_path: Path) -> None:
    model = await place.big_one(str(tmp_path / "外 side" / "外 side-F16.gguf"))
    assert model.shape is not None
    request = PlanRequest(model_id=model.id)
    live = await asyncio.to_thread(place.forecast.plan, request, model, model.shape)
    assert "外 side-Q4_0 (1 MB) fits on 1 PC" in hint(live)
    described = cluster(node("BOUGHT", cpu(GIB + place.free, 8 * GIB), holds=True))
    answer = await asyncio.to_thread(place.forecast.plan_for, request, model, model.shape, described)
    assert "外 side-Q4_0 (1 MB) fits on 1 PC" in hint(answer)


async def test_of_a_cluster_that_somebody_describes(place: Place) -> None:
    model = await place.big_one("models-F16")
    assert model.shape is not None
    described = cluster(node("BOUGHT", cpu(GIB + place.free, 8 * GIB), holds=True))
    place.free = 0
    request = PlanRequest(model_id=model.id)
    answer = await asyncio.to_thread(place.forecast.plan_for, request, model, model.shape, described)
    assert "models-Q4_0 (1 MB) fits on 1 PC" in hint(answer)


async def test_once_something_else_has_given_back_its_memory(place: Place) -> None:
    model = await place.big_one("models-F16")
    assert model.shape is not None
    held = plan(stage("a", "CPU", 0, 11, output=True))
    back = sum(each.total_bytes for each in held.stages)
    gone = instance().model_copy(update={"plan": held.model_copy(update={"head": FIRST.node.id})})
    place.free -= back
    request = PlanRequest(model_id=model.id)
    answer = await asyncio.to_thread(place.forecast.plan_without, request, model, model.shape, (gone,))
    assert "models-Q4_0 (1 MB) fits on 1 PC" in hint(answer)
    place.free += 1
    assert isinstance(place.forecast.plan_without(request, model, model.shape, (gone,)), Plan)
