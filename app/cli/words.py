"""PURE: numbers and states as people read them."""

from collections.abc import Sequence

from app.schema.download import Download, DownloadPhase
from app.schema.engine import EngineInstall, InstallPhase
from app.schema.instance import InstanceStatus, Phase, PhaseName, Progress, Unit
from app.schema.plan import Plan

PHASE_WORDS = {
    PhaseName.LEASES: "memory reserved",
    PhaseName.WORKERS_STARTED: "workers started",
    PhaseName.WORKERS_VERIFIED: "workers checked",
    PhaseName.MEMORY_CHECKED: "memory checked by the engine",
    PhaseName.HEAD_STARTED: "engine started",
    PhaseName.HANDSHAKE: "workers connected",
    PhaseName.TENSORS: "weights loaded",
    PhaseName.WARM_UP: "warmed up",
    PhaseName.READY: "ready",
}


def size(count: int | None) -> str:
    """Bytes in the unit that fits: `512 B`, `7.9 MB`, `21.3 GB`; `-` when unknown. 1 GB is 2^30, as on Windows."""
    if count is None:
        return "-"
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KB", "MB", "GB"):
        value /= 1024
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TB"


def number(count: int | None) -> str:
    """A count with thin groups: `16 384`; `-` when unknown."""
    return "-" if count is None else f"{count:,}".replace(",", " ")


def duration(seconds: float | None) -> str:
    """A time as people say it: `30 ms`, `0.4 s`, `47 s`, `3 min 5 s`; `-` when unknown."""
    if seconds is None:
        return "-"
    if 0 < seconds < 0.0995:
        return f"{seconds * 1e3:.0f} ms" if seconds >= 1e-3 else "under 1 ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def speed(instance: InstanceStatus) -> str:
    """`19.8 tok/s at the last answer (predicted 21.3)`, or what of it is known; nothing when neither is."""
    told = instance.plan.prediction
    if instance.decode is None:
        return f"predicted {told.decode:.1f} tok/s" if told is not None else ""
    predicted = f" (predicted {told.decode:.1f})" if told is not None else ""
    return f"{instance.decode:.1f} tok/s at the last answer{predicted}"


def pcs(plan: Plan) -> str:
    """`1 PC`, `2 PCs, head DESK`, `2 PCs, head DESK, which holds no layers`."""
    if plan.pcs == 1:
        return "1 PC"
    told = f"{plan.pcs} PCs"
    if plan.head_name is None:
        return told
    is_idle = all(stage.node != plan.head for stage in plan.stages)
    return f"{told}, head {plan.head_name}" + (", which holds no layers" if is_idle else "")


def load(plan: Plan) -> str | None:
    """`Ready in about 12 s; WORKSHOP keeps 3.1 GB of it on its disk.`, or what of it is known; None when nothing is."""
    told = plan.prediction
    parts = [f"ready in about {duration(told.load)}"] if told is not None and told.load is not None else []
    kept = (f"{name} keeps {size(count)} of it on its disk" for name, count in plan.kept_on)
    said = "; ".join((*parts, *kept))
    return f"{said[0].upper()}{said[1:]}." if said else None


def progress(step: Progress) -> str:
    """`2/2`, or `3.1 GB of 8.4 GB, 112.0 MB/s, 47 s left`."""
    if step.unit is Unit.WORKERS:
        return f"{step.done}/{step.total}"
    parts = [f"{size(step.done)} of {size(step.total)}"]
    if step.rate is not None:
        parts.append(f"{size(round(step.rate))}/s")
    if step.seconds_left:
        parts.append(f"{duration(step.seconds_left)} left")
    return ", ".join(parts)


def phase(step: Phase) -> str:
    """One line about a launch phase, without its mark."""
    parts = [PHASE_WORDS[step.name]]
    if step.progress is not None:
        parts.append(progress(step.progress))
    if step.note:
        parts.append(step.note)
    return " - ".join(parts)


def layers(first: int, last: int, holds_output: bool) -> str:
    """A layer range: `0-5`, `6-11 + output`, `12`."""
    return (str(first) if first == last else f"{first}-{last}") + (" + output" if holds_output else "")


def blocks(numbers: Sequence[int]) -> str:
    """Block numbers in ascending order with their runs drawn together: `3-9, 12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


INSTALL_WORDS = {
    InstallPhase.STARTING: "starting",
    InstallPhase.LOOKING_UP: "asking which files there are",
    InstallPhase.DOWNLOADING: "downloading",
    InstallPhase.UNPACKING: "unpacking",
    InstallPhase.CHECKING: "trying the new engine",
    InstallPhase.SWITCHING: "taking it into use",
    InstallPhase.DONE: "done",
    InstallPhase.FAILED: "failed",
    InstallPhase.CANCELLED: "cancelled",
}


def install(step: EngineInstall) -> str:
    """One line about an install: `b11434 cuda - downloading cudart.zip - 3.1 MB of 8.4 MB, 2.0 MB/s, 3 s left`."""
    named = " ".join(part for part in (step.build, step.backend) if part)
    parts = [named] if named else []
    parts.append(f"{INSTALL_WORDS[step.phase]} {step.file or ''}".strip())
    if step.phase is InstallPhase.DOWNLOADING and step.bytes_done is not None and step.bytes_total is not None:
        parts.append(_bytes(step.bytes_done, step.bytes_total, step.rate))
    return " - ".join(parts)


DOWNLOAD_WORDS = {
    DownloadPhase.QUEUED: "waiting",
    DownloadPhase.DOWNLOADING: "downloading",
    DownloadPhase.CHECKING: "checking what is there",
    DownloadPhase.DONE: "done",
    DownloadPhase.FAILED: "failed",
    DownloadPhase.PAUSED: "paused",
    DownloadPhase.CANCELLED: "cancelled",
}


def download(each: Download, is_named: bool = True) -> str:
    """One line about a download: `Qwen3-8B-Q4_K_M - downloading - 1.2 GB of 4.7 GB, 11.0 MB/s, 5 min 20 s left`."""
    parts = [each.name] if is_named else []
    parts.append(DOWNLOAD_WORDS[each.phase])
    if each.phase is DownloadPhase.DONE:
        parts.append(size(each.bytes_total))
    elif each.phase is not DownloadPhase.CANCELLED:
        parts.append(_bytes(each.bytes_done, each.bytes_total, each.rate))
    if each.note:
        parts.append(each.note)
    return " - ".join(parts)


def _bytes(done: int, total: int, rate: float | None) -> str:
    parts = [f"{size(done)} of {size(total)}"]
    if rate:
        parts += [f"{size(round(rate))}/s", f"{duration((total - done) / rate)} left"]
    return ", ".join(parts)
