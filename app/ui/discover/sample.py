"""Finding and downloading in their states, for pictures and tests: a made-up hub. No figure in it was measured."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtWidgets import QWidget

from app.schema.download import (
    ESTIMATED,
    Download,
    DownloadId,
    DownloadPhase,
    DownloadRequest,
    HubAccess,
    HubFile,
    HubModel,
    HubPart,
    HubRepository,
    HubSort,
    TokenSource,
)
from app.schema.errors import CaravanError, ErrorInfo
from app.schema.model import HeldModel
from app.schema.node import Status
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import ModelId
from app.ui.desk import Desk
from app.ui.models import sample as picker
from app.ui.models import sample_cluster as cluster
from app.ui.models.page import ModelsPage
from app.ui.models.sample_cluster import GIBI
from app.ui.models.sample_planner import SampleClient, planned
from app.ui.style.theme import Theme
from app.ui.window.shell import MainWindow
from app.ui.wish import FIND

OFFLINE = CaravanError(
    "huggingface.co does not answer: its name was not found.",
    "Check this PC's internet connection. Models that are on these PCs run without it.",
)
NOW = 1_795_000_000.0
_DAY = 86_400.0

_FOUND = (
    ("Qwen/Qwen3-8B-GGUF", 1_240_000, 840, 3, "apache-2.0"),
    ("unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF", 402_000, 611, 40, "apache-2.0"),
    ("bartowski/Qwen_Qwen3-32B-GGUF", 88_100, 97, 210, "apache-2.0"),
    ("google/gemma-3-27b-it-qat-q4_0-gguf", 61_400, 411, 230, "gemma"),
    ("mradermacher/A-model-that-somebody-merged-from-five-others-and-tuned-again-v2-i1-GGUF", 9_210, 12, 1, "llama3.3"),
    ("通义实验室/通义千问-对话模型-增强版-GGUF", 950, 4, 0, "other"),
    ("someone/untitled", None, None, 900, None),
)

_QUANTIZATIONS = (
    ("IQ2_XS", 2.6), ("Q2_K", 3.1), ("IQ3_M", 3.7), ("Q3_K_M", 3.9), ("IQ4_XS", 4.3), ("Q4_K_S", 4.5), ("Q4_K_M", 4.7),
    ("Q5_K_M", 5.5), ("Q6_K", 6.3), ("Q8_0", 8.1), ("BF16", 15.3),
)  # fmt: skip


def found() -> tuple[HubModel, ...]:
    """Repositories with the names that break layouts."""
    return tuple(
        HubModel(
            repository=name,
            author=name.partition("/")[0],
            downloads=downloads,
            likes=likes,
            updated=time.time() - days * _DAY,
            gated=name.startswith("google/"),
            licence=licence,
        )
        for name, downloads, likes, days, licence in _FOUND
    )


def many(count: int = 200) -> tuple[HubModel, ...]:
    """So many repositories."""
    few = found()
    return tuple(
        few[number % len(few)].model_copy(update={"repository": f"maker-{number}/Sample-{number:03d}-7B-GGUF"})
        for number in range(count)
    )


def repository(model: HubModel, scale: float = 1.0) -> HubRepository:
    """Its files; `scale` makes them larger. The second is on this PC."""
    name = model.repository.rpartition("/")[2].removesuffix("-GGUF")
    files = tuple(
        file(f"{name}-{kind}", kind, size * scale, recommended=kind == "Q4_K_M", here=number == 1)
        for number, (kind, size) in enumerate(_QUANTIZATIONS)
    )
    projector = file("mmproj-F16", "F16", 0.8, is_projector=True)
    return HubRepository(
        model=model,
        revision="4f1c" * 10,
        files=files,
        projectors=(projector,) if "gemma" in name else (),
        description="A model that thinks before it answers, or answers at once; 119 languages.",
        recommended_because="The largest good file with room for its context in the 22 GB that are free here.",
    )


def file(
    name: str, quantization: str, gigabytes: float, *, recommended: bool = False, here: bool = False,
    is_projector: bool = False,
) -> HubFile:  # fmt: skip
    """One file; above 40 GB it has parts."""
    size = round(gigabytes * GIBI)
    count = 1 + size // (40 * GIBI)
    parts = tuple(HubPart(path=f"{name}-{number}.gguf", size_bytes=size // count) for number in range(count))
    return HubFile(
        name=name,
        quantization=quantization,
        size_bytes=size,
        parts=parts,
        recommended=recommended,
        here=here,
        is_projector=is_projector,
    )


def download(
    number: int, phase: DownloadPhase, name: str = "Qwen3-8B-Q4_K_M", part: float = 0.37, total: float = 4.7
) -> Download:
    """A download that far."""
    moves = phase is DownloadPhase.DOWNLOADING
    size = round(total * GIBI)
    done = size if phase is DownloadPhase.DONE else 0 if phase is DownloadPhase.QUEUED else round(size * part)
    rate = 11.6e6 if moves else None
    error = ErrorInfo(
        code="disk_unusable",
        sentence="The disk with the models folder is full: 1.2 GB are missing.",
        hint="Free some space, then resume the download.",
    )
    return Download(
        id=DownloadId(f"download-{number}"),
        repository="Qwen/Qwen3-8B-GGUF",
        revision="4f1c" * 10,
        name=name,
        quantization=name.rpartition("-")[2],
        phase=phase,
        bytes_done=done,
        bytes_total=size,
        rate=rate,
        seconds_left=(size - done) / rate if rate else None,
        error=error if phase is DownloadPhase.FAILED else None,
        model_id=ModelId(name) if phase is DownloadPhase.DONE else None,
    )


def downloads(count: int) -> tuple[Download, ...]:
    """So many, in every phase, two of them with the names that break layouts."""
    phases = (
        DownloadPhase.DOWNLOADING, DownloadPhase.CHECKING, DownloadPhase.PAUSED, DownloadPhase.FAILED,
        DownloadPhase.DONE, DownloadPhase.QUEUED,
    )  # fmt: skip
    names = {
        1: "A-model-that-somebody-merged-from-five-others-and-tuned-again-v2-Q4_K_M",
        2: "通义千问-对话模型-增强版-Q6_K",
    }
    return tuple(
        download(number, phases[number % len(phases)], names.get(number, f"Sample-{number:03d}-7B-Q5_K_M"))
        for number in range(count)
    )


@dataclass
class SampleHub:
    """What `NodeClient.hub` is, over made-up repositories. It keeps what it was asked in `calls`."""

    models: tuple[HubModel, ...] = field(default_factory=found)
    error: CaravanError | None = None
    file_error: CaravanError | None = None
    token: TokenSource | None = None
    scale: float = 1.0
    calls: list[tuple[str, object]] = field(default_factory=list)

    async def search(self, text: str, sort: HubSort = HubSort.DOWNLOADS, limit: int = 30) -> tuple[HubModel, ...]:
        """Those whose name has all words; the first word may be left out by the author alone."""
        self._note("search", (text, sort))
        words = text.casefold().split()
        return tuple(each for each in self.models if all(word in each.repository.casefold() for word in words))[:limit]

    async def repository(self, reference: str) -> HubRepository:
        """Its files."""
        self._note("repository", reference)
        if self.file_error is not None:
            raise self.file_error
        name = reference.removeprefix("https://huggingface.co/").removeprefix("hf.co/").partition(":")[0]
        known = next((each for each in self.models if each.repository == name), None)
        return repository(known or HubModel(repository=name, author=name.partition("/")[0]), self.scale)

    async def plan(self, wanted: DownloadRequest, request: PlanRequest, may_estimate: bool = False) -> Plan | Refusal:
        """Where it would run in the made-up cluster."""
        self._note("estimate" if may_estimate else "plan", wanted.file)
        sizes = {f"{kind}": size for kind, size in _QUANTIZATIONS}
        size = next((size for kind, size in sizes.items() if wanted.file.endswith(kind)), 4.0) * self.scale
        told = planned(cluster.model(wanted.file, gigabytes=size), request)
        if isinstance(told, Refusal) or not may_estimate:
            return told
        return told.model_copy(update={"notes": (ESTIMATED,)})

    async def download(self, wanted: DownloadRequest) -> Download:
        """It begins."""
        self._note("download", wanted)
        return download(99, DownloadPhase.QUEUED, wanted.file)

    async def pause(self, download: DownloadId) -> None:
        """Take it."""
        self._note("pause", download)

    async def resume(self, download: DownloadId) -> None:
        """Take it."""
        self._note("resume", download)

    async def cancel(self, download: DownloadId) -> None:
        """Take it."""
        self._note("cancel", download)

    async def forget(self, download: DownloadId) -> None:
        """Take it."""
        self._note("forget", download)

    async def remove_model(self, model: ModelId) -> None:
        """Take it."""
        self._note("remove_model", model)

    async def access(self) -> HubAccess:
        """The hub itself."""
        if self.error is not None:
            raise self.error
        return HubAccess(site="https://huggingface.co", token=self.token)

    async def keep_token(self, token: str) -> HubAccess:
        """Take it."""
        self._note("keep_token", token)
        self.token = TokenSource.CARAVAN
        return await self.access()

    def _note(self, name: str, about: object) -> None:
        self.calls.append((name, about))
        if self.error is not None:
            raise self.error


class FindClient(SampleClient):
    """The picker's made-up node, with a hub."""

    def __init__(self, held: Sequence[HeldModel] | None = None, hub: SampleHub | None = None) -> None:
        super().__init__(cluster.few_models() if held is None else held)
        self.hub = hub or SampleHub()


@dataclass(frozen=True)
class Sample:
    """One picture: what is looked for (None: nothing), which repository is chosen, what is downloaded."""

    name: str
    text: str | None
    hub: Callable[[], SampleHub] = SampleHub
    chosen: int = 0
    downloads: tuple[Download, ...] = ()
    is_finding: bool = True


def samples() -> tuple[Sample, ...]:
    """Every state worth a picture."""
    refused = CaravanError("huggingface.co has no repository someone/missing.", "Check its name.")
    return (
        Sample("find-start", None),
        Sample("find", "qwen"),
        Sample("find-two-pcs", "qwen", lambda: SampleHub(scale=5), 2),
        Sample("find-short", "qwen", lambda: SampleHub(scale=14), 2),
        Sample("find-gated", "g", chosen=3),
        Sample("find-200", "sample", lambda: SampleHub(many())),
        Sample("find-nothing", "zzzz"),
        Sample("find-offline", "qwen", lambda: SampleHub(error=OFFLINE)),
        Sample("find-failed", "qwen", lambda: SampleHub(file_error=refused)),
        Sample("find-downloading", "qwen", downloads=(download(1, DownloadPhase.DOWNLOADING),)),
        Sample("downloads-one", None, downloads=downloads(1), is_finding=False),
        Sample("downloads-three", None, downloads=downloads(3), is_finding=False),
        Sample("downloads-failed", None, downloads=downloads(5)[3:], is_finding=False),
        Sample("downloads-32", None, downloads=downloads(32), is_finding=False),
    )


def pictures() -> tuple[tuple[str, Callable[[Desk, Theme], QWidget]], ...]:
    """Name and maker of every picture."""
    return tuple((f"models-{each.name}", _maker(each)) for each in samples())


def status(*arriving: Download) -> Status:
    """The made-up cluster, with these downloads on this PC."""
    return cluster.status().model_copy(update={"downloads": arriving})


def _maker(sample: Sample) -> Callable[[Desk, Theme], QWidget]:
    def make(desk: Desk, theme: Theme) -> QWidget:
        client = FindClient(hub=sample.hub())
        window = picker.window_over(client, status(*sample.downloads), desk, theme)
        if isinstance(window, MainWindow) and isinstance(window.page, ModelsPage):
            page = window.page
            if sample.is_finding:
                page.wish(FIND + (sample.text or ""))
            picker.settle(page)
            page.finding.results.setCurrentIndex(page.finding.results.rows.index(sample.chosen))
            picker.settle(page)
        return window

    return make
