"""From a plan to leases, to the engine's device names, and to what its own projection says."""

import pytest

from app.engine.fit import DeviceMemory
from app.instances.memory_check import judge
from app.instances.placement import (
    check_plan,
    engine_devices,
    expected_bytes,
    remote_indexes,
    seats,
    stages_by_engine_device,
)
from app.schema.errors import InputError, OutOfMemory
from app.schema.record import InstanceId
from tests.unit.instances.plans import MEBIBYTE, plan, stage

WORKERS_FIRST = plan(stage("a", "CPU", 0, 3), stage("b", "CUDA0", 4, 7), stage("h", "CUDA0", 8, 11, output=True))


def test_every_stage_is_leased_and_only_other_nodes_need_a_worker() -> None:
    found = seats(plan(), InstanceId("i"), "HEAD", epoch=3)
    assert [seat.needs_worker for seat in found] == [False, True, True]
    assert [seat.request.size_bytes for seat in found] == [42 * MEBIBYTE] * 3
    assert {seat.request.head_name for seat in found} == {"HEAD"}


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
