"""NVML as pynvml gives it: a stand-in module for each refusal, and a stand-in C library for the way through ctypes."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from app.hardware.gpu import NVML_CHILD
from app.hardware.nvml import NvmlReport, NvmlSampler, cuda_version, open_sampler, read_report
from app.system.spawn import run_short

GIB = 1 << 30
FACTS: dict[str, Any] = {
    "nvmlDeviceGetName": "NVIDIA GeForce RTX 3090",
    "nvmlDeviceGetUUID": "GPU-1",
    "nvmlDeviceGetPciInfo": SimpleNamespace(busId="00000000:01:00.0"),
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=24 * GIB, free=20 * GIB, used=4 * GIB),
    "nvmlDeviceGetCudaComputeCapability": (8, 6),
    "nvmlSystemGetDriverVersion": "551.86",
    "nvmlSystemGetCudaDriverVersion_v2": 12040,
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=37, memory=5),
    "nvmlDeviceGetTemperature": 54,
}


class FakeNvml:
    """Answers as pynvml does; each function in `refused` raises its NVML error instead."""

    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU
    NVMLError = pynvml.NVMLError

    def __init__(self, refused: dict[str, int] | None = None, count: int = 1) -> None:
        self.refused = refused or {}
        self.count = count
        self.open = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_ERROR_"):
            return getattr(pynvml, name)
        return lambda *arguments: self._answer(name, arguments)

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name in self.refused:
            raise pynvml.NVMLError(self.refused[name])
        if name in ("nvmlInit", "nvmlShutdown"):
            self.open += 1 if name == "nvmlInit" else -1
            return None
        if name == "nvmlDeviceGetCount":
            return self.count
        return arguments[0] if name == "nvmlDeviceGetHandleByIndex" else FACTS[name]


def test_every_fact_of_a_card() -> None:
    nvml = FakeNvml()
    report = read_report(nvml)
    assert nvml.open == 0
    (card,) = report.accelerators
    assert card.model_dump(mode="json", exclude_none=True) == {
        "key": "GPU-1",
        "name": "NVIDIA GeForce RTX 3090",
        "kind": "cuda",
        "uuid": "GPU-1",
        "pci_id": "0000:01:00.0",
        "total_bytes": 24 * GIB,
        "free_bytes": 20 * GIB,
        "used_bytes": 4 * GIB,
        "driver": "551.86",
        "cuda_version": "12.4",
        "compute_capability": "8.6",
    }


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("nvmlDeviceGetUUID", {"uuid"}),
        ("nvmlDeviceGetPciInfo", {"pci_id"}),
        ("nvmlDeviceGetMemoryInfo", {"total_bytes", "free_bytes", "used_bytes"}),
        ("nvmlDeviceGetCudaComputeCapability", {"compute_capability"}),
        ("nvmlSystemGetDriverVersion", {"driver"}),
        ("nvmlSystemGetCudaDriverVersion_v2", {"cuda_version"}),
    ],
)
def test_each_fact_fails_alone(function: str, fields: set[str]) -> None:
    whole = read_report(FakeNvml()).accelerators[0].model_dump(exclude={"key"})
    part = (
        read_report(FakeNvml({function: pynvml.NVML_ERROR_NOT_SUPPORTED})).accelerators[0].model_dump(exclude={"key"})
    )
    assert {name for name in whole if whole[name] != part[name]} == fields
    assert all(part[name] is None for name in fields)


def test_key_without_uuid_is_the_address_then_the_number() -> None:
    refused = {"nvmlDeviceGetUUID": pynvml.NVML_ERROR_NOT_SUPPORTED}
    assert read_report(FakeNvml(refused)).accelerators[0].key == "0000:01:00.0"
    refused["nvmlDeviceGetPciInfo"] = pynvml.NVML_ERROR_NOT_SUPPORTED
    assert [card.key for card in read_report(FakeNvml(refused, count=2)).accelerators] == ["nvidia-0", "nvidia-1"]


@pytest.mark.parametrize(
    ("code", "is_present", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False, None),
        (pynvml.NVML_ERROR_NOT_FOUND, True, None),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, True, "installed but not running"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, True, "waits for a restart"),
        (pynvml.NVML_ERROR_UNKNOWN, True, "the NVIDIA driver answered: "),
    ],
)
def test_nvml_that_does_not_start(code: int, is_present: bool, words: str | None) -> None:
    report = read_report(FakeNvml({"nvmlInit": code}))
    assert report.is_present == is_present
    assert report.accelerators == ()
    assert (words in report.problem) if words and report.problem else report.problem is words


def test_cards_that_cannot_be_counted_are_a_problem_and_a_lost_one_is_left_out() -> None:
    nvml = FakeNvml({"nvmlDeviceGetCount": pynvml.NVML_ERROR_GPU_IS_LOST})
    assert "no longer answers" in (read_report(nvml).problem or "")
    assert nvml.open == 0
    lost = FakeNvml({"nvmlDeviceGetHandleByIndex": pynvml.NVML_ERROR_GPU_IS_LOST})
    assert read_report(lost) == NvmlReport(is_present=True)


def test_cuda_version() -> None:
    assert [cuda_version(number) for number in (12040, 11080, 13000, 0, None)] == ["12.4", "11.8", "13.0", None, None]


def test_live_sample_and_close() -> None:
    nvml = FakeNvml()
    sampler = NvmlSampler(nvml)
    (sample,) = sampler.sample()
    assert (sample.key, sample.free_bytes, sample.used_bytes) == ("GPU-1", 20 * GIB, 4 * GIB)
    assert (sample.utilization, sample.temperature) == (0.37, 54)
    nvml.refused = dict.fromkeys(FACTS, pynvml.NVML_ERROR_GPU_IS_LOST)
    assert sampler.sample()[0].model_dump(exclude_none=True) == {"key": "GPU-1"}
    sampler.close()
    sampler.close()
    assert nvml.open == 0


def test_sampler_that_cannot_start_leaves_nvml_closed(caplog: pytest.LogCaptureFixture) -> None:
    nvml = FakeNvml({"nvmlDeviceGetCount": pynvml.NVML_ERROR_UNKNOWN})
    with pytest.raises(pynvml.NVMLError):
        NvmlSampler(nvml)
    assert nvml.open == 0
    assert open_sampler(nvml) is None
    assert "the NVIDIA driver answered" in caplog.text
    assert isinstance(open_sampler(FakeNvml()), NvmlSampler)


LIBRARY = r"""
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory_t;
int nvmlInitWithFlags(unsigned flags) { return BEHAVIOUR; }
int nvmlInit_v2(void) { return BEHAVIOUR; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return "stand-in error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strcpy(text, "580.10"); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13010; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) { *card = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetName(void *card, char *text, unsigned size) { strcpy(text, "Stand-in card"); return 0; }
int nvmlDeviceGetUUID(void *card, char *text, unsigned size) { strcpy(text, "GPU-0"); text[4] += (long)card; return 0; }
int nvmlDeviceGetMemoryInfo(void *card, memory_t *memory) {
    memory->total = 8ULL << 30; memory->free = 6ULL << 30; memory->used = 2ULL << 30; return 0;
}
"""


def stand_in_library(folder: Path, behaviour: str) -> None:
    (folder / "nvml.c").write_text(LIBRARY.replace("BEHAVIOUR", behaviour) + "\n")
    argv = ["gcc", "-shared", "-fPIC", "-include", "stdlib.h", "-include", "unistd.h"]
    subprocess.run([*argv, "-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")], check=True, timeout=60)


needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="builds a stand-in libnvidia-ml.so.1 with gcc"
)


@needs_compiler
async def test_child_reads_a_real_library(tmp_path: Path) -> None:
    stand_in_library(tmp_path, "0")
    done = await run_short(NVML_CHILD, deadline=30, env={"LD_LIBRARY_PATH": str(tmp_path)})
    report = NvmlReport.model_validate_json(done.stdout)
    assert report.problem is None
    assert [card.uuid for card in report.accelerators] == ["GPU-1", "GPU-2"]
    card = report.accelerators[0]
    assert (card.name, card.total_bytes, card.driver, card.cuda_version) == ("Stand-in card", 8 * GIB, "580.10", "13.1")
    # The library lacks these functions, as an old driver does.
    assert (card.pci_id, card.compute_capability) == (None, None)


@needs_compiler
async def test_child_of_a_crashing_library_dies_alone(tmp_path: Path) -> None:
    stand_in_library(tmp_path, "(abort(), 0)")
    done = await run_short(NVML_CHILD, deadline=30, env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert done.returncode < 0
    assert done.stdout == ""


async def test_child_without_a_driver_says_so() -> None:
    done = await run_short(NVML_CHILD, deadline=30)
    assert done.returncode == 0
    NvmlReport.model_validate_json(done.stdout)
