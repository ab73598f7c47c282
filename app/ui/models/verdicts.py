"""PURE: what a plan or a refusal says of a model in a few words."""

from dataclasses import dataclass
from enum import StrEnum

from app.schema.download import ESTIMATED
from app.schema.errors import ErrorInfo
from app.schema.model import ModelFile
from app.schema.plan import Plan, Prediction, Refusal
from app.schema.record import NodeId
from app.ui.models import figures
from app.ui.parts.sizes import count_text
from app.ui.style.palette import Tone
from app.ui.words import Phrase, shortened, tr, verbatim

_NAME_COLUMNS = 18


class Fit(StrEnum):
    """How a model stands to the cluster, best first."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    SEVERAL = "several"
    SLOWER = "slower"
    CHECKING = "checking"
    UNKNOWN = "unknown"
    SHORT = "short"
    REFUSED = "refused"
    UNREADABLE = "unreadable"

    @property
    def fits(self) -> bool:
        """Whether it can be launched."""
        return self in {Fit.HERE, Fit.ELSEWHERE, Fit.SEVERAL, Fit.SLOWER}


@dataclass(frozen=True)
class Verdict:
    """The pill of a row: words, tone, and the speed to expect in tokens/s. `sentence` is the whole reason."""

    fit: Fit
    words: Phrase
    tone: Tone
    sentence: Phrase
    speed: float | None = None
    is_measured: bool = False

    @property
    def speed_words(self) -> Phrase:
        """`~21 tok/s`, without the mark when every part of it was measured; `-` when unknown."""
        return figures.speed(self.speed, self.is_measured)


CHECKING = Verdict(Fit.CHECKING, tr("checking"), Tone.NEUTRAL, tr("Caravan is working out where it fits."))

_CODES = {
    "engine_nowhere": tr("no engine"),
    "model_nowhere": tr("its PC is away"),
    "head_unusable": tr("its PC cannot run it"),
    "too_few_pcs": tr("too few PCs"),
    "not_a_model": tr("not a model"),
}


def unreadable(model: ModelFile) -> Verdict | None:
    """The verdict on a file whose header cannot be read; None for one that can."""
    if model.problem is None:
        return None
    return Verdict(Fit.UNREADABLE, tr("cannot be read"), Tone.BAD, _whole(model.problem.sentence, model.problem.hint))


def unanswered(error: ErrorInfo) -> Verdict:
    """The verdict when the question itself failed. Nothing is guessed."""
    return Verdict(Fit.UNKNOWN, tr("not checked"), Tone.NEUTRAL, _whole(error.sentence, error.hint))


def judge(answer: Plan | Refusal, this_node: NodeId) -> Verdict:
    """The verdict on a planned model."""
    return _refused(answer) if isinstance(answer, Refusal) else _planned(answer, this_node)


def beats(one: Prediction | None, other: Prediction | None) -> bool:
    """Whether `one` answers at least a twentieth faster; False when either is unknown."""
    return one is not None and other is not None and one.decode > 1.05 * other.decode


def _planned(plan: Plan, this_node: NodeId) -> Verdict:
    fit, words = _where(plan, this_node)
    told, speed = warnings(plan), plan.prediction
    tone = Tone.TIGHT if told or fit is Fit.SLOWER else Tone.GOOD
    said = verbatim(" ".join(told)) if told else _placed(plan)
    if ESTIMATED in plan.notes:
        said = tr("{sentence} {note}", sentence=said, note=ESTIMATED)
    if speed is None:
        said = tr("{sentence} Its speed is not known yet.", sentence=said)
    return Verdict(fit, words, tone, said, speed.decode if speed else None, speed.is_measured if speed else False)


def warnings(plan: Plan) -> tuple[str, ...]:
    """What is tight in a plan; that it was told from another file is not."""
    return tuple(note for note in plan.notes if note != ESTIMATED)


def _where(plan: Plan, this_node: NodeId) -> tuple[Fit, Phrase]:
    if plan.pcs > 1:
        alone = next((each for each in plan.alternatives if each.pcs == 1 and each.fits), None)
        if alone is not None and beats(alone.prediction, plan.prediction):
            return Fit.SLOWER, tr("slower than 1 PC alone")
        return Fit.SEVERAL, tr("fits on {pcs} PCs", pcs=plan.pcs)
    if plan.head == this_node:
        return Fit.HERE, tr("fits here")
    return Fit.ELSEWHERE, tr("fits on {pc}", pc=shortened(plan.stages[-1].node_name, _NAME_COLUMNS))


def _placed(plan: Plan) -> Phrase:
    names = ", ".join(dict.fromkeys(stage.node_name for stage in plan.stages))
    return tr("Fits on {pcs} with {context} tokens of context.", pcs=names, context=count_text(plan.context))


def _refused(refusal: Refusal) -> Verdict:
    sentence = _whole(refusal.sentence, refusal.hint)
    if refusal.code in _CODES:
        return Verdict(Fit.REFUSED, _CODES[refusal.code], Tone.BAD, sentence)
    short = shortage(refusal)
    words = tr("{size} short", size=figures.missing(short)) if short else tr("does not fit")
    return Verdict(Fit.SHORT, words, Tone.BAD, sentence)


def shortage(refusal: Refusal) -> int | None:
    """Bytes that are missing on the number of PCs that comes nearest; None when it is not memory that is missing."""
    missing = [each.short_bytes for each in refusal.alternatives if not each.fits and each.short_bytes]
    if missing:
        return min(missing)
    if refusal.needed_bytes is None or refusal.free_bytes is None:
        return None
    return max(0, refusal.needed_bytes - refusal.free_bytes) or None


def _whole(sentence: str, hint: str) -> Phrase:
    return verbatim(f"{sentence} {hint}".strip())
