"""From a plan to leases, to the engine's device names, and to what its own projection says."""

import pytest

from app.engine.commands import Guessing
from app.engine.fit import DeviceMemory
from app.instances.head import HeadPlace
from app.instances.memory_check import excess, judge
from app.instances.placement import (
    check_plan,
    engine_devices,
    expected_bytes,
    remote_indexes,
    seats,
    stages_by_engine_device,
)
from app.schema.errors import InputError, OutOfMemory
from app.schema.model import ModelFile, ModelShape
from app.schema.plan import ExpertShare, Plan, Speculation, SpeculationKind
from app.schema.record import InstanceId, ModelId
from tests.unit.instances.plans import MEBIBYTE, plan, stage
from tests.unit.planner.samples import shape

WORKERS_FIRST = plan(stage("a", "CPU", 0, 3), stage("b", "CUDA0", 4, 7), stage("h", "CUDA0", 8, 11, output=True))


def test_every_stage_is_leased_and_only_other_nodes_need_a_worker() -> None:
    found = seats(plan(), InstanceId("i"), "HEAD", epoch=3)
    assert [seat.needs_worker for seat in found] == [False, True, True]
    assert [seat.request.size_bytes for seat in found] == [42 * MEBIBYTE] * 3
    assert {seat.request.head_name for seat in found} == {"HEAD"}


EXPERTS = ExpertShare(layers=(8, 9), weight_bytes=30 * MEBIBYTE, compute_bytes=2 * MEBIBYTE, free_bytes=100 * MEBIBYTE)
SPILLING = WORKERS_FIRST.model_copy(update={"tensor_split": (4, 4, 5), "gpu_layers": 13, "experts": EXPERTS})


def test_experts_in_the_heads_ram_are_leased_there() -> None:
    found = seats(SPILLING, InstanceId("i"), "HEAD", epoch=3)
    assert [seat.request.device for seat in found] == ["CPU", "CUDA0", "CUDA0", "CPU"]
    assert found[-1].request.size_bytes == 32 * MEBIBYTE
    assert not found[-1].needs_worker
    led = plan(stage("h", "CPU", 0, 3), stage("h", "CUDA0", 4, 11, output=True)).model_copy(update={"experts": EXPERTS})
    assert [seat.request.size_bytes for seat in seats(led, InstanceId("i"), "HEAD", epoch=3)] == [
        (42 + 32) * MEBIBYTE,
        82 * MEBIBYTE,
    ]


def test_experts_in_the_heads_ram_are_loaded_and_checked_too() -> None:
    assert expected_bytes(SPILLING) == expected_bytes(WORKERS_FIRST) + 30 * MEBIBYTE
    measured = {"CUDA0": DeviceMemory(40, 3, 1), "Host": DeviceMemory(45, 0, 20)}
    assert judge(SPILLING, measured, remote_indexes([0, 1])) == "HEAD 44 MB, HEAD 65 MB of RAM"
    with pytest.raises(OutOfMemory, match=r"HEAD is 0\.1 GB short on CPU"):
        judge(SPILLING, {"Host": DeviceMemory(145, 0, 20)}, remote_indexes([0, 1]))


def test_the_most_that_a_device_needs_beyond_the_plan_is_told() -> None:
    measured = {"RPC0": DeviceMemory(50, 3, 1), "RPC1": DeviceMemory(40, 1, 1), "Host": DeviceMemory(45, 1, 1)}
    assert excess(plan(), measured, remote_indexes([1, 2])) == 12 * MEBIBYTE
    known = plan().model_copy(update={"beyond_bytes": 7 * MEBIBYTE})
    assert excess(known, measured, remote_indexes([1, 2])) == (12 + 7) * MEBIBYTE
    assert excess(plan(), {"Host": DeviceMemory(45, 1, 1), "RPC0": DeviceMemory(30, 0, 0)}, remote_indexes([1, 2])) == 0


def test_experts_of_a_workers_blocks_cannot_be_in_the_heads_ram() -> None:
    check_plan(SPILLING)
    strange = EXPERTS.model_copy(update={"layers": (7, 8)})
    with pytest.raises(InputError, match="keeps experts in RAM"):
        check_plan(SPILLING.model_copy(update={"experts": strange}))


def test_the_heads_processor_is_no_device_and_workers_are_numbered_in_layer_order() -> None:
    remote = remote_indexes({2: "127.0.0.1:2", 1: "127.0.0.1:1"})
    assert engine_devices(plan(), remote) == ("RPC0", "RPC1")
    assert list(stages_by_engine_device(plan(), remote)) == ["CPU", "RPC0", "RPC1"]


def test_the_heads_own_gpu_comes_last_by_its_own_name() -> None:
    assert engine_devices(WORKERS_FIRST, remote_indexes([0, 1])) == ("RPC0", "RPC1", "CUDA0")


def test_all_weights_and_the_embedding_are_expected() -> None:
    assert expected_bytes(plan()) == 125 * MEBIBYTE


def test_the_engines_projection_is_told_by_pc() -> None:
    measured = {"RPC0": DeviceMemory(40, 3, 1), "RPC1": DeviceMemory(50, 3, 7), "Host": DeviceMemory(45, 3, 2)}
    assert judge(plan(), measured, remote_indexes([1, 2])) == "HEAD 50 MB, ATTIC 44 MB, BARN 60 MB"


def test_a_projection_beyond_what_is_free_names_the_pc_and_the_shortage() -> None:
    measured = {"RPC1": DeviceMemory(1500, 600, 0)}
    with pytest.raises(OutOfMemory, match=r"BARN is 1\.1 GB short on CUDA0"):
        judge(plan(), measured, remote_indexes([1, 2]))


def test_what_the_planner_makes_may_be_launched() -> None:
    check_plan(plan())
    check_plan(WORKERS_FIRST.model_copy(update={"tensor_split": (4, 4, 5), "gpu_layers": 13}))


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": ()},
        {"stages": (stage("h", "CPU", 0, 3), stage("a", "CPU", 5, 11, output=True))},
        {"stages": (stage("h", "CPU", 0, 3), stage("a", "CPU", 3, 11, output=True))},
        {"stages": (stage("h", "CPU", 0, 11),)},
        {"layers": 13},
        {"tensor_split": (5, 4)},
        {"gpu_layers": 13},
    ],
)
def test_an_absurd_plan_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="cannot be launched"):
        check_plan(plan().model_copy(update=changes))


def guessing(device: str) -> Plan:
    """The plan with a draft model of 100 MiB on a device of the head."""
    draft = Speculation(
        kind=SpeculationKind.DRAFT,
        guesses=5,
        sentence="Tiny guesses ahead.",
        draft_model=ModelId("Tiny"),
        draft_device=device,
        draft_bytes=100 * MEBIBYTE,
    )
    return plan().model_copy(update={"speculation": draft})


def test_a_draft_model_beside_a_stage_is_in_its_lease() -> None:
    found = seats(guessing("CPU"), InstanceId("i"), "HEAD", epoch=3)
    assert [seat.request.size_bytes for seat in found] == [142 * MEBIBYTE, 42 * MEBIBYTE, 42 * MEBIBYTE]


def test_a_draft_model_with_a_device_for_itself_has_a_lease_of_its_own_behind_the_stages() -> None:
    found = seats(guessing("CUDA0"), InstanceId("i"), "HEAD", epoch=3)
    assert [(seat.stage.node_name, seat.request.device) for seat in found] == [
        ("HEAD", "CPU"), ("ATTIC", "CPU"), ("BARN", "CUDA0"), ("HEAD", "CUDA0")
    ]  # fmt: skip
    assert found[3].request.size_bytes == 100 * MEBIBYTE
    assert not found[3].needs_worker


def test_a_draft_model_counts_in_the_memory_check() -> None:
    measured = {"RPC0": DeviceMemory(40, 3, 1), "RPC1": DeviceMemory(50, 3, 7), "Host": DeviceMemory(945, 0, 0)}
    judge(plan(), measured, remote_indexes([1, 2]))
    with pytest.raises(OutOfMemory, match=r"HEAD is 0\.0 GB short on CPU"):
        judge(guessing("CPU"), measured, remote_indexes([1, 2]))


def test_a_head_guesses_as_its_plan_says() -> None:
    def place(of: Plan, draft: str | None = None) -> HeadPlace:
        return HeadPlace(InstanceId("i"), of, "/m.gguf", None, {}, (), lambda _: None, draft)

    assert place(plan()).guessing is None
    assert place(guessing("CUDA0"), "/tiny.gguf").guessing == Guessing(5, "/tiny.gguf", "CUDA0")
    assert place(guessing("CUDA0")).guessing is None
    repeated = Speculation(kind=SpeculationKind.NGRAM, guesses=8, sentence="Text that repeats is guessed ahead.")
    assert place(plan().model_copy(update={"speculation": repeated})).guessing == Guessing(8)


def model_of(shape: ModelShape | None) -> ModelFile:
    return ModelFile(
        id=ModelId("tiny"), path="t.gguf", folder="f", size_bytes=1234, modified=0.0, parts=("t.gguf",), shape=shape
    )


def test_a_lease_says_what_a_worker_will_be_sent() -> None:
    known = shape((100,) * 12, layer_large_bytes=(10,) * 12, output_large_bytes=7, idle_layers=1)
    own, first, last = (seat.request.part for seat in seats(plan(), InstanceId("i"), "HEAD", 3, model_of(known)))
    assert own is None
    assert first is not None
    assert last is not None
    assert (first.model_bytes, first.first_layer, first.last_layer, first.holds_output) == (1234, 4, 7, False)
    # The last block is idle: the engine does not load it.
    assert (first.large_bytes, last.large_bytes, last.holds_output) == (40, 37, True)


@pytest.mark.parametrize("known", [None, shape((100,) * 12)])
def test_of_a_model_whose_tensors_are_not_known_a_lease_says_nothing(known: ModelShape | None) -> None:
    found = seats(plan(), InstanceId("i"), "HEAD", 3, model_of(known))
    assert [seat.request.part for seat in found] == [None] * 3
