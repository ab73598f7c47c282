"""When devices are measured, and what is made of it, with a stand-in for the measurement itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.calibration import VERSION, Calibration, CalibrationFailed, CalibrationPlace
from app.node.speeds import (
    FRESH_SECONDS,
    IDLE_SECONDS,
    Speeds,
    SpeedsPlace,
    effective,
    for_model,
    is_idle,
    is_needed,
    read_per_block,
    repacked,
    targets,
    with_measured,
)
from app.schema.engine import EngineBuild, EngineDevice, EngineInstall, EngineStatus, InstallPhase
from app.schema.hardware import (
    Accelerator,
    AcceleratorKind,
    AcceleratorSample,
    HardwareSnapshot,
    LoadSample,
    Processor,
)
from app.schema.instance import InstanceState, InstanceStatus, Lease
from app.schema.node import NodeInfo, Status
from app.schema.plan import ClusterView, DeviceResources, NodeResources
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.speed import DeviceSpeed, FormatSpeed, SpeedBook, WeightFormat, nearest_format
from tests.unit.instances.plans import HEAD, plan
from tests.unit.planner.samples import shape

GIB = 1 << 30
FOUND = Calibration(
    1e-4,
    5e-5,
    (
        FormatSpeed(format=WeightFormat.Q4_K, bandwidth=30e9, compute=4e11),
        FormatSpeed(format=WeightFormat.Q8_0, bandwidth=40e9, compute=2e11),
    ),
)
GPU = EngineDevice(name="CUDA0", description="Card", total_bytes=8 * GIB, free_bytes=7 * GIB)
BUILD = EngineBuild(
    server="s", worker="w", source="path", build=9, commit="c", version_text="", flags=frozenset(), devices=(GPU,)
)


def status(free: int = 7 * GIB, load: float = 0.1, build: EngineBuild | None = BUILD, driver: str = "1") -> Status:
    card = Accelerator(key="GPU-1", name="Card", kind=AcceleratorKind.CUDA, driver=driver, engine_device="CUDA0")
    hardware = HardwareSnapshot(
        hostname="h",
        operating_system="o",
        architecture="a",
        processor=Processor(name="Chip", logical_cores=8),
        ram_bytes=16 * GIB,
        accelerators=(card,),
    )
    samples = (AcceleratorSample(key="GPU-1", free_bytes=free),)
    sample = LoadSample(at=0, cpu_load=load, ram_free_bytes=9 * GIB, ram_used_bytes=0, accelerators=samples)
    return Status(
        node=NodeInfo(id=HEAD, name="PC", version="1", started_at=0),
        hardware=hardware,
        load=sample,
        engine=EngineStatus(build=build),
    )


def busy(state: InstanceState = InstanceState.READY) -> Status:
    running = InstanceStatus(
        id=InstanceId("i"), model_id=ModelId("m"), head=HEAD, state=state, plan=plan(), created_at=0.0
    )
    return status().model_copy(update={"instances": (running,)})


def lent() -> Status:
    lease = Lease(id="l", instance_id=InstanceId("i"), head=HEAD, head_name="x", device="CPU", size_bytes=1, epoch=1)
    return status().model_copy(update={"leases": (lease,)})


class Pc:
    """A PC whose time passes only when the service sleeps; it ends the service after so many seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.status = status()
        self.threads: int | None = None
        self.measured: list[str] = []
        self.answer: Callable[[], Awaitable[Calibration]] = self._found
        self.speeds = self.restarted()

    def restarted(self) -> Speeds:
        place = SpeedsPlace(
            status=lambda: self.status,
            threads=lambda: self.threads,
            folder=self.folder,
            calibrate=self._calibrate,
            clock=lambda: self.now,
            sleep=self._sleep,
        )
        self.speeds = Speeds(place)
        return self.speeds

    async def live(self, seconds: float) -> list[str]:
        """What is measured within that time."""
        self.measured, self._end = [], self.now + seconds
        with pytest.raises(TimeoutError):
            await self.speeds.run()
        return self.measured

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)
        if self.now > self._end:
            raise TimeoutError

    async def _found(self) -> Calibration:
        return FOUND

    async def _calibrate(self, place: CalibrationPlace, device: str) -> Calibration:
        self.measured.append(device)
        return await self.answer()


@pytest.fixture
def pc(tmp_path: Path) -> Pc:
    return Pc(tmp_path)


async def test_an_idle_pc_measures_each_device_once(pc: Pc) -> None:
    assert await pc.live(IDLE_SECONDS - 2) == []
    assert await pc.live(500) == ["CUDA0", "CPU"]
    assert [each.device for each in pc.speeds.current] == ["CUDA0", "CPU"]


async def test_it_is_known_after_a_restart_and_measured_again_after_a_month(pc: Pc) -> None:
    await pc.live(100)
    before = pc.speeds.current
    await asyncio.to_thread(pc.restarted)
    assert pc.speeds.current == before
    assert await pc.live(100) == []
    assert pc.speeds.current == before
    pc.now += FRESH_SECONDS
    assert await pc.live(100) == ["CUDA0", "CPU"]


async def test_what_an_earlier_calibration_told_holds_until_it_is_measured_again(pc: Pc) -> None:
    await pc.live(100)
    before = tuple(each.model_copy(update={"calibration": VERSION - 1}) for each in pc.speeds.current)
    book = SpeedBook(speeds=before).model_dump_json()
    await asyncio.to_thread((pc.folder / "speeds.json").write_text, book)
    await asyncio.to_thread(pc.restarted)
    assert await pc.live(IDLE_SECONDS - 2) == []
    assert pc.speeds.current == before
    assert await pc.live(100) == ["CUDA0", "CPU"]
    assert [each.calibration for each in pc.speeds.current] == [VERSION, VERSION]
    await asyncio.to_thread(pc.restarted)
    assert await pc.live(500) == []


def test_a_file_of_the_first_version_says_no_version() -> None:
    old = {"key": "k", "device": "CPU", "name": "Chip", "engine": "e", "measured_at": 0, "formats": []}
    assert DeviceSpeed.model_validate(old | {"token_seconds": 0, "block_seconds": 0}).calibration < VERSION


async def test_another_driver_build_or_number_of_threads_makes_it_stale(pc: Pc) -> None:
    await pc.live(100)
    pc.status = status(driver="2")
    assert [each.device for each in pc.speeds.current] == ["CPU"]
    assert await pc.live(100) == ["CUDA0"]
    pc.threads = 3
    assert await pc.live(100) == ["CPU"]
    pc.status = status(driver="2", build=BUILD.model_copy(update={"build": 10}))
    assert pc.speeds.current == ()
    assert await pc.live(100) == ["CUDA0", "CPU"]


@pytest.mark.parametrize(
    "hindered", [busy(), busy(InstanceState.STARTING), lent(), status(load=0.9), status(build=None)]
)
async def test_a_pc_that_is_needed_measures_nothing(pc: Pc, hindered: Status) -> None:
    pc.status = hindered
    assert await pc.live(500) == []


async def test_a_full_card_is_left_for_later(pc: Pc) -> None:
    pc.status = status(free=GIB // 2)
    assert await pc.live(100) == ["CPU"]
    pc.status = status()
    assert await pc.live(100) == ["CUDA0"]


async def test_a_launch_ends_a_measurement_at_once(pc: Pc) -> None:
    cancelled = asyncio.Event()

    async def endless() -> Calibration:
        pc.status = busy()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return FOUND

    pc.answer = endless
    assert await pc.live(100) == ["CUDA0"]
    assert cancelled.is_set()
    assert pc.speeds.current == ()


async def test_a_failure_is_tried_again_less_and_less_often(pc: Pc) -> None:
    async def failing() -> Calibration:
        raise CalibrationFailed("something else keeps the device busy")

    pc.answer = failing
    assert (await pc.live(1000)).count("CPU") == 3
    assert 5 <= (await pc.live(86_400)).count("CPU") <= 10
    assert pc.speeds.current == ()


async def test_a_damaged_file_is_measured_anew(pc: Pc) -> None:
    await asyncio.to_thread((pc.folder / "speeds.json").write_text, '{"speeds": [{"key": 1}]}')
    await asyncio.to_thread(pc.restarted)
    assert await pc.live(100) == ["CUDA0", "CPU"]


async def test_devices_get_their_speeds(pc: Pc) -> None:
    await pc.live(100)
    device = DeviceResources(device="CUDA0", name="Card", total_bytes=1, free_bytes=1, is_cpu=False)
    other = device.model_copy(update={"device": "Vulkan0"})
    filled = pc.speeds.with_speeds((device, other))
    assert filled[0].compute == 4e11
    assert 0.9 * 30e9 < (filled[0].bandwidth or 0) < 30e9
    assert filled[0].token_seconds == pc.speeds.current[0].token_seconds
    assert filled[1] == other


def test_a_gpu_without_a_key_is_known_by_its_description() -> None:
    assert [each.key for each in targets(status())] == ["GPU-1", "cpu:Chip:8"]
    unknown = BUILD.model_copy(update={"devices": (GPU.model_copy(update={"name": "Vulkan0"}),)})
    assert targets(status(build=unknown))[0].key == "device:Card"


def test_an_ended_instance_and_an_ended_install_need_nothing() -> None:
    assert is_idle(busy(InstanceState.STOPPED))
    install = EngineInstall(id="x", phase=InstallPhase.DOWNLOADING)
    assert is_needed(status().model_copy(update={"engine_install": install}))
    assert not is_needed(status().model_copy(update={"engine_install": install.model_copy(update={"phase": "done"})}))


SPEED = DeviceSpeed(
    key="k",
    device="CUDA0",
    name="Card",
    engine="e",
    measured_at=0,
    token_seconds=0,
    block_seconds=5e-5,
    formats=FOUND.formats,
)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("Q4_K_M", "Q4_K"), ("IQ2_XS", "Q4_K"), ("MXFP4", "Q4_K"), ("Q8_0", "Q8_0"), ("BF16", "Q8_0"), (None, "Q4_K")],
)
def test_every_quantization_has_a_nearest_format(name: str | None, nearest: str) -> None:
    assert nearest_format(name) == nearest


@given(st.integers(1, 10**9), st.integers(1, 200))
def test_a_models_blocks_take_their_bytes_and_a_little_more(size: int, layers: int) -> None:
    model = shape((size,) * layers, quantization="Q8_0")
    found = effective(SPEED, model)
    assert found is not None
    assert size / found[0] == pytest.approx(size / 40e9 + 5e-5)
    assert found[1] == 2e11


def test_passes_of_a_prompt_are_told_where_they_were_measured() -> None:
    slower = FormatSpeed(
        format=WeightFormat.Q4_K, bandwidth=30e9, compute=4e11, prompt_bandwidth=15e9, step_compute=1e11
    )
    speed = SPEED.model_copy(update={"formats": (slower,), "repacked": (slower,)})
    model = shape((10**8,) * 2, quantization="Q4_K_M")
    device = DeviceResources(device="CPU", name="Ryzen", total_bytes=1, free_bytes=1, is_cpu=True)
    found = with_measured(device, speed, model)
    assert found.prompt_bandwidth is not None
    assert 10**8 / found.prompt_bandwidth == pytest.approx(10**8 / 15e9 + 5e-5)
    assert found.repacked_prompt_bandwidth == found.prompt_bandwidth
    assert (found.step_compute, found.repacked_step_compute) == (1e11, 1e11)
    # Figures of an earlier version tell no passes apart.
    before = with_measured(found, SPEED, model)
    assert (before.prompt_bandwidth, before.repacked_prompt_bandwidth) == (None, None)
    assert (before.step_compute, before.repacked_step_compute) == (None, None)


def test_a_pass_of_a_prompt_reads_all_experts_and_a_little_more() -> None:
    passes = FormatSpeed(format=WeightFormat.Q4_K, bandwidth=400e9, compute=4e13, prompt_bandwidth=300e9)
    experts = {"layer_expert_bytes": (96_000_000,) * 2, "expert_count": 128, "experts_used": 8}
    model = shape((10**8,) * 2, quantization="Q4_K_M", **experts)
    found = effective(SPEED.model_copy(update={"formats": (passes,)}), model)
    assert found is not None
    assert found.prompt_bandwidth is not None
    assert 10**7 / found.bandwidth == pytest.approx(10**7 / 400e9 + 5e-5)
    assert 10**8 / found.prompt_bandwidth == pytest.approx(10**8 / 300e9 + 5e-5)


REPACKED = SPEED.model_copy(update={"repacked": (FormatSpeed(format=WeightFormat.Q4_K, bandwidth=31e9, compute=6e11),)})


@pytest.mark.parametrize(
    ("name", "compute"), [("Q4_K_M", 6e11), ("UD-Q4_K_XL", 6e11), ("Q4_K", 6e11), ("Q4_0", None), ("Q8_0", None)]
)
def test_rearranged_weights_count_for_their_own_element_type(name: str, compute: float | None) -> None:
    found = repacked(REPACKED, shape((10**8,) * 2, quantization=name))
    assert (found and found[1]) == compute
    assert found is None or 10**8 / found[0] == pytest.approx(10**8 / 31e9 + 5e-5)
    assert repacked(SPEED, shape((10**8,), quantization=name)) is None


def test_of_experts_only_the_used_ones_are_read() -> None:
    model = shape((100, 100), layer_expert_bytes=(80, 80), expert_count=8, experts_used=2)
    assert read_per_block(model) == 40


def test_a_cluster_is_seen_as_a_model_meets_it() -> None:
    device = DeviceResources(device="CUDA0", name="Card", total_bytes=1, free_bytes=1, is_cpu=False, bandwidth=1.0)
    nodes = tuple(
        NodeResources(node=NodeId(each), name=each, holds_model=True, engine_build="e", devices=(device,))
        for each in "ab"
    )
    view = for_model(
        ClusterView(this_node=NodeId("a"), nodes=nodes), shape((10**8,), quantization="Q8_0"), {NodeId("b"): [SPEED]}
    )
    assert view.nodes[0].devices[0].bandwidth == 1.0
    assert view.nodes[1].devices[0].compute == 2e11
    assert view.nodes[1].devices[0].repacked_compute is None
    again = for_model(view, shape((10**8,), quantization="Q4_K_M"), {NodeId("b"): [REPACKED]})
    assert again.nodes[1].devices[0].repacked_compute == 6e11
    # Another model of another element type has none, whatever was told before.
    assert for_model(again, shape((10**8,)), {NodeId("b"): [REPACKED]}).nodes[1].devices[0].repacked_compute is None
