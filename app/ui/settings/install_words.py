"""PURE: an engine install in words: what it does now, how much is done, how long it may take."""

from dataclasses import dataclass

from app.schema.engine import INSTALL_ENDS, EngineInstall, InstallPhase
from app.schema.errors import ErrorInfo
from app.ui.parts.sizes import rate_text, seconds_text, size_text
from app.ui.words import Phrase, tr, verbatim

_PHASES = {
    InstallPhase.STARTING: tr("Starting"),
    InstallPhase.LOOKING_UP: tr("Looking up the release"),
    InstallPhase.DOWNLOADING: tr("Downloading"),
    InstallPhase.UNPACKING: tr("Unpacking"),
    InstallPhase.CHECKING: tr("Trying it out"),
    InstallPhase.SWITCHING: tr("Switching over"),
    InstallPhase.DONE: tr("Installed"),
    InstallPhase.FAILED: tr("Not installed"),
    InstallPhase.CANCELLED: tr("Cancelled. What was downloaded is kept."),
}


@dataclass(frozen=True)
class InstallLook:
    """What is shown of an install. `part` is 0..1, None when nobody knows; `error` is set when it failed."""

    is_running: bool
    title: Phrase
    detail: Phrase | None = None
    part: float | None = None
    error: ErrorInfo | None = None
    notices: tuple[str, ...] = ()


def install_look(install: EngineInstall) -> InstallLook:
    """The install as a person reads it."""
    title = _PHASES[install.phase]
    if install.phase is InstallPhase.DONE and install.build:
        title = tr("Installed llama.cpp {build}", build=install.build)
    elif install.phase not in INSTALL_ENDS and install.build:
        title = tr("{doing} llama.cpp {build}", doing=title, build=install.build)
    return InstallLook(
        is_running=install.phase not in INSTALL_ENDS,
        title=title,
        detail=_detail(install),
        part=_part(install),
        error=install.error if install.phase is InstallPhase.FAILED else None,
        notices=install.notices,
    )


def _part(install: EngineInstall) -> float | None:
    if install.phase is not InstallPhase.DOWNLOADING or not install.bytes_total or install.bytes_done is None:
        return None
    return install.bytes_done / install.bytes_total


def _detail(install: EngineInstall) -> Phrase | None:
    if install.phase is not InstallPhase.DOWNLOADING:
        return verbatim(install.file) if install.file and install.phase not in INSTALL_ENDS else None
    if install.bytes_done is None:
        return None
    done = size_text(install.bytes_done)
    if not install.bytes_total:
        return done
    so_far = tr("{done} of {total}", done=done, total=size_text(install.bytes_total))
    if not install.rate:
        return so_far
    left = seconds_text(max(0, install.bytes_total - install.bytes_done) / install.rate)
    return tr("{so_far} · {rate} · {left} left", so_far=so_far, rate=rate_text(install.rate), left=left)
