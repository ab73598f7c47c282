"""NVIDIA cards through NVML (`pynvml`). Each fact may fail alone and is None then.

A broken driver can crash or hang whoever calls it, so the first look happens in a child (`app.hardware.nvml_child`);
only after that one went well does the node open NVML itself, in `NvmlSampler`.
Units: NVML gives bytes, percent, degrees Celsius; the CUDA version as 1000 * major + 10 * minor.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

from app.hardware.pci import normal_pci_id
from app.schema.hardware import Accelerator, AcceleratorKind, AcceleratorSample
from app.schema.record import Record

T = TypeVar("T")

_log = logging.getLogger("caravan.hardware")


class NvmlReport(Record):
    """What a look through NVML gave. `problem` says in words what a driver that is there but broken answered."""

    is_present: bool
    accelerators: tuple[Accelerator, ...] = ()
    problem: str | None = None


def read_report(nvml: Any = pynvml) -> NvmlReport:
    """Open NVML, read every card, close it. Never raises what NVML raises; may crash or hang with a broken driver."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return _report_of_failed_start(nvml, error)
    try:
        return NvmlReport(is_present=True, accelerators=_read_cards(nvml))
    except nvml.NVMLError as error:
        return NvmlReport(is_present=True, problem=_in_words(nvml, error))
    finally:
        _optional(nvml, nvml.nvmlShutdown)


def _report_of_failed_start(nvml: Any, error: Any) -> NvmlReport:
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return NvmlReport(is_present=False)
    if error.value in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_GPU_NOT_FOUND):
        return NvmlReport(is_present=True)
    return NvmlReport(is_present=True, problem=_in_words(nvml, error))


def _in_words(nvml: Any, error: Any) -> str:
    known = {
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not running",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the NVIDIA driver was updated and waits for a restart of this PC",
        nvml.NVML_ERROR_NO_PERMISSION: "this user may not talk to the NVIDIA driver",
        nvml.NVML_ERROR_GPU_IS_LOST: "a graphics card no longer answers; a restart of this PC may bring it back",
        nvml.NVML_ERROR_RESET_REQUIRED: "a graphics card must be reset; restart this PC",
    }
    return known.get(error.value) or f"the NVIDIA driver answered: {error}"


def _optional(nvml: Any, ask: Callable[..., T], *arguments: Any) -> T | None:
    try:
        return ask(*arguments)
    except (nvml.NVMLError, ValueError):
        return None


def _read_cards(nvml: Any) -> tuple[Accelerator, ...]:
    driver = _optional(nvml, nvml.nvmlSystemGetDriverVersion)
    cuda = cuda_version(_optional(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2))
    return tuple(_read_card(nvml, key, card, driver, cuda) for key, card in _cards(nvml))


def _cards(nvml: Any) -> list[tuple[str, Any]]:
    """Key and handle of every card that answers. Raises NVMLError when they cannot be counted."""
    cards = (_optional(nvml, nvml.nvmlDeviceGetHandleByIndex, index) for index in range(nvml.nvmlDeviceGetCount()))
    return [
        (_optional(nvml, nvml.nvmlDeviceGetUUID, card) or _pci_id(nvml, card) or f"nvidia-{index}", card)
        for index, card in enumerate(cards)
        if card is not None
    ]


def _read_card(nvml: Any, key: str, card: Any, driver: str | None, cuda: str | None) -> Accelerator:
    memory = _optional(nvml, nvml.nvmlDeviceGetMemoryInfo, card)
    capability = _optional(nvml, nvml.nvmlDeviceGetCudaComputeCapability, card)
    return Accelerator(
        key=key,
        name=_optional(nvml, nvml.nvmlDeviceGetName, card) or "NVIDIA graphics card",
        kind=AcceleratorKind.CUDA,
        uuid=_optional(nvml, nvml.nvmlDeviceGetUUID, card),
        pci_id=_pci_id(nvml, card),
        total_bytes=memory.total if memory else None,
        free_bytes=memory.free if memory else None,
        used_bytes=memory.used if memory else None,
        driver=driver,
        cuda_version=cuda,
        compute_capability=".".join(map(str, capability)) if capability else None,
    )


def _pci_id(nvml: Any, card: Any) -> str | None:
    info = _optional(nvml, nvml.nvmlDeviceGetPciInfo, card)
    if info is None:
        return None
    text = info.busId
    return normal_pci_id(text.decode("ascii", "replace") if isinstance(text, bytes) else text)


def cuda_version(number: int | None) -> str | None:
    """12040 -> "12.4"."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


class NvmlSampler:
    """NVML kept open to read how busy the cards are. Blocking; call `sample` from one thread at a time, then `close`.

    Open it only when the child's report had no problem. Raises `pynvml.NVMLError` when NVML does not start.
    """

    def __init__(self, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        nvml.nvmlInit()
        self._is_open = True
        try:
            self._cards = _cards(nvml)
        except nvml.NVMLError:
            self.close()
            raise

    def sample(self) -> tuple[AcceleratorSample, ...]:
        """One sample per card, with the keys of the report."""
        return tuple(self._sample_card(key, card) for key, card in self._cards)

    def _sample_card(self, key: str, card: Any) -> AcceleratorSample:
        nvml = self._nvml
        memory = _optional(nvml, nvml.nvmlDeviceGetMemoryInfo, card)
        rates = _optional(nvml, nvml.nvmlDeviceGetUtilizationRates, card)
        return AcceleratorSample(
            key=key,
            free_bytes=memory.free if memory else None,
            used_bytes=memory.used if memory else None,
            utilization=rates.gpu / 100 if rates else None,
            temperature=_optional(nvml, nvml.nvmlDeviceGetTemperature, card, nvml.NVML_TEMPERATURE_GPU),
        )

    def close(self) -> None:
        """Let go of NVML; may be called twice."""
        if self._is_open:
            self._is_open = False
            _optional(self._nvml, self._nvml.nvmlShutdown)


def open_sampler(nvml: Any = pynvml) -> NvmlSampler | None:
    """A sampler, or None (and a line in the log) when NVML does not start after all. Blocking."""
    try:
        return NvmlSampler(nvml)
    except nvml.NVMLError as error:
        _log.warning("The load of the NVIDIA cards cannot be read: %s", _in_words(nvml, error))
        return None
