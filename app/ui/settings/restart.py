"""PURE: which settings wait for the next start of the node."""

from dataclasses import dataclass

from app.schema.node import Status
from app.schema.settings import Settings
from app.ui.words import Phrase, tr

AT_START = (
    ("name", tr("the name")),
    ("model_folders", tr("the model folders")),
    ("use_known_folders", tr("other programs' folders")),
    ("engine_path", tr("the engine's path")),
)
"""The settings of `READ_AT_START` in words, the name first."""


@dataclass(frozen=True)
class Baseline:
    """The settings a node was first seen with; `started_at` tells one run of it from the next."""

    started_at: float
    settings: Settings

    @classmethod
    def of(cls, status: Status, before: "Baseline | None") -> "Baseline":
        """The baseline for this status: the one there is, or a new one when the node has started again."""
        if before is not None and before.started_at == status.node.started_at:
            return before
        return cls(status.node.started_at, status.settings)


def waiting(baseline: Baseline, status: Status) -> tuple[Phrase, ...]:
    """What was changed and does not count yet, in words. The node's name tells by itself whether it is in use."""
    found = dict(AT_START)
    names = [name for name, _ in AT_START[1:] if getattr(status.settings, name) != getattr(baseline.settings, name)]
    wanted = status.settings.name
    if wanted is None and status.hardware is not None:
        wanted = status.hardware.hostname or None
    if wanted is not None and wanted != status.node.name:
        names.insert(0, "name")
    return tuple(found[name] for name in names)


def waiting_sentence(what: tuple[Phrase, ...]) -> Phrase:
    """One sentence for all of it."""
    listed: Phrase = what[0]
    for each in what[1:-1]:
        listed = tr("{before}, {next}", before=listed, next=each)
    if len(what) > 1:
        listed = tr("{before} and {last}", before=listed, last=what[-1])
    return tr("Saved. What you changed ({what}) counts after Caravan has started again.", what=listed)
