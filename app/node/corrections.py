"""What past runs teach: how many times longer a placement takes than predicted, and what users typically send.

Pure steps over a `CorrectionBook`, and a small store that keeps it. What is learned is always against the bare cost
model, and the planner gets it as corrections of devices and links: all parts of a placement get its factor, so that the
planner's prediction for it becomes what was measured. A device that was measured alone has its own.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.node.book_file import BookFile
from app.schema.instance import InstanceStatus
from app.schema.plan import (
    ClusterView,
    DeviceResources,
    LinkMeasure,
    LoadFactor,
    LoadKind,
    NodeResources,
    Plan,
    Prediction,
)
from app.schema.record import NodeId
from app.schema.speed import Correction, CorrectionBook, LoadRatios, Mix

REMEMBERED = 5
"""Runs of a placement that make its factor, the newest ones."""

MIX_LEARNING = 0.05
"""Weight of the newest exchange in the mix: a few dozen shape it."""

LEAST, MOST = 0.2, 5.0
"""No factor leaves these bounds: beyond them something else was wrong than the speed."""

LOAD_LEAST, LOAD_MOST = 0.1, 10.0
"""The same for loads: disks differ more than what they were taken for."""

LEAST_ANSWER = 16
"""Tokens of an answer below which an exchange says nothing of the placement's speed."""

WIN = 1.15
"""How many times faster another split must be before a running model is worth moving."""

PLACEMENTS_KEPT = 200


def devices_of(plan: Plan) -> tuple[str, ...]:
    """PURE: the devices of a plan, sorted, however many blocks each holds."""
    return tuple(sorted({_device(stage.node, stage.device) for stage in plan.stages}))


def _device(node: NodeId, device: str) -> str:
    return f"{node}/{device}"


@dataclass(frozen=True)
class Exchange:
    """A question and its answer by the head's own timings: tokens, and tokens/s (None when not told).

    `prompt_tokens` are those that were computed, without what the cache had.
    """

    prompt_tokens: int
    answer_tokens: int
    prompt_speed: float | None
    decode_speed: float | None


def after_run(book: CorrectionBook, plan: Plan, exchange: Exchange, now: float) -> CorrectionBook:
    """PURE: the book after an exchange. A plan without prediction, one that guesses ahead (its speed depends on what is
    guessed right), one for several conversations (its speed depends on how many answer), and a very short answer teach
    only the mix.
    """
    taught = book.model_copy(update={"mix": next_mix(book.mix, exchange.prompt_tokens, exchange.answer_tokens)})
    told = plan.prediction if plan.speculation is None else None
    ratio = ratio_of(told, exchange) if told is not None and told.conversations == 1 else None
    if ratio is None:
        return taught
    known = _find(book, plan)
    before = known.recent or ((known.factor,) if known.runs else ())
    recent = (*before, min(max(ratio, LEAST), MOST))[-REMEMBERED:]
    changes = {"factor": typical(recent), "recent": recent, "runs": known.runs + 1, "changed_at": now}
    return _with(taught, known.model_copy(update=changes))


def typical(ratios: Sequence[float]) -> float:
    """PURE: the middle one, of two middle ones the smaller.

    What else a PC does meanwhile only makes an answer slower: one such answer among others changes nothing, and a first
    one counts until the next.
    """
    return sorted(ratios)[(len(ratios) - 1) // 2]


def ratio_of(prediction: Prediction, exchange: Exchange) -> float | None:
    """PURE: how many times longer the exchange took than the cost model says, without what was learned before.

    The whole exchange counts, so that prompt and answer weigh what they take. None when it is too short to tell.
    """
    decode, prefill = _usable(exchange.decode_speed), _usable(exchange.prompt_speed)
    if exchange.answer_tokens < LEAST_ANSWER or decode is None:
        return None
    prompt = exchange.prompt_tokens if prefill is not None else 0
    measured = exchange.answer_tokens / decode + (prompt / prefill if prefill is not None else 0.0)
    predicted = exchange_seconds(prediction, prompt, exchange.answer_tokens) / (prediction.corrected_by or 1.0)
    ratio = measured / predicted
    return ratio if math.isfinite(ratio) and ratio > 0 else None


def _usable(speed: float | None) -> float | None:
    return speed if speed is not None and math.isfinite(speed) and speed > 0 else None


def after_load(book: CorrectionBook, plan: Plan, seconds: float, now: float) -> CorrectionBook:
    """PURE: the book after a launch that took so many seconds until ready.

    It teaches only what waits for the same as it did: a launch that had to send all says nothing of one that finds all
    on the workers' disks, nor one that read its file from the disk of one that finds it in RAM.
    """
    told = plan.prediction
    if told is None or not told.load or told.load_kind is None or not 0 < seconds < math.inf:
        return book
    ratio = seconds * (told.load_corrected_by or 1.0) / told.load
    known = _find(book, plan)
    recent = next((each.recent for each in known.loads if each.kind is told.load_kind), ())
    bounded = min(max(ratio, LOAD_LEAST), LOAD_MOST)
    learned = LoadRatios(kind=told.load_kind, recent=(*recent, bounded)[-REMEMBERED:])
    loads = (*(each for each in known.loads if each.kind is not told.load_kind), learned)
    return _with(book, known.model_copy(update={"loads": loads, "changed_at": now}))


def with_one_way_links(book: CorrectionBook) -> CorrectionBook:
    """PURE: the book without the loads that were predicted with links measured there and back at once.

    Those took up to 40 % less than predicted where most of the time was the link's. What answers taught stays: it is
    mostly of round trips.
    """
    if book.is_one_way:
        return book
    kept = tuple(
        each.model_copy(update={"loads": tuple(load for load in each.loads if load.kind is not LoadKind.SEND)})
        for each in book.corrections
    )
    return book.model_copy(update={"is_one_way": True, "corrections": kept})


def usual_load(known: LoadRatios) -> float:
    """PURE: the middle one, of two middle ones the smaller; of launches that read from a disk the larger.

    A file that happened to be in RAM, as a new download is, makes one launch fast and says nothing of the disk.
    """
    if known.kind is LoadKind.READ:
        return sorted(known.recent)[len(known.recent) // 2]
    return typical(known.recent)


def _loads(head: NodeId, book: CorrectionBook) -> tuple[LoadFactor, ...]:
    """What launches with that head taught, for the planner."""
    return tuple(
        LoadFactor(devices=each.devices, kind=load.kind, factor=usual_load(load))
        for each in book.corrections
        if each.head == head
        for load in each.loads
        if load.recent
    )


def next_mix(mix: Mix, prompt: int, answer: int) -> Mix:
    """PURE: the rolling averages after an exchange; one without an answer is no exchange."""
    if prompt < 1 or answer < 1:
        return mix
    return Mix(
        prompt_tokens=mix.prompt_tokens + MIX_LEARNING * (prompt - mix.prompt_tokens),
        answer_tokens=mix.answer_tokens + MIX_LEARNING * (answer - mix.answer_tokens),
        runs=mix.runs + 1,
    )


def with_corrections(view: ClusterView, book: CorrectionBook) -> ClusterView:
    """PURE: the cluster with what was learned of its devices and links, for the planner. None stays without runs."""
    known = [each for each in book.corrections if each.runs]
    nodes = tuple(
        node.model_copy(update={"devices": _devices(node, known), "loads": _loads(node.node, book)})
        for node in view.nodes
    )
    links = tuple(link.model_copy(update={"correction": _link_factor(link, known)}) for link in view.links)
    return view.model_copy(update={"nodes": nodes, "links": links})


def _devices(node: NodeResources, known: Sequence[Correction]) -> tuple[DeviceResources, ...]:
    return tuple(
        each.model_copy(update={"correction": _device_factor(node.node, each.device, known)}) for each in node.devices
    )


def _device_factor(node: NodeId, device: str, known: Sequence[Correction]) -> float | None:
    """What the device did alone, else what the placements with it did on average."""
    name = _device(node, device)
    alone = [each for each in known if each.devices == (name,) and each.head == node]
    return _average(alone or [each for each in known if name in each.devices])


def _link_factor(link: LinkMeasure, known: Sequence[Correction]) -> float | None:
    """What the placements did that have one end as their head and layers on the other."""
    return _average([each for each in known if _crosses(each, link.a, link.b) or _crosses(each, link.b, link.a)])


def _crosses(each: Correction, head: NodeId, worker: NodeId) -> bool:
    return each.head == head and any(name.startswith(_device(worker, "")) for name in each.devices)


def _average(found: Sequence[Correction]) -> float | None:
    """The geometric mean, each run counting up to ten times."""
    weights = [min(each.runs, 10) for each in found]
    if not found:
        return None
    return math.exp(sum(w * math.log(each.factor) for w, each in zip(weights, found, strict=True)) / sum(weights))


def better_split(current: Plan, candidate: Plan) -> bool:
    """PURE: whether another split is worth moving to: no less context, and 15 % faster for the same mix."""
    now, then = current.prediction, candidate.prediction
    if now is None or then is None or _split(candidate) == _split(current) or candidate.context < current.context:
        return False
    return exchange_seconds(then, now.prompt_tokens, now.answer_tokens) * WIN <= exchange_seconds(
        now, now.prompt_tokens, now.answer_tokens
    )


def _split(plan: Plan) -> tuple[object, ...]:
    """What of a plan makes its speed. The memory that is free beside it does not: that changes all the time."""
    return (plan.head, plan.ranges, plan.expert_layers, plan.repacks)


def exchange_seconds(prediction: Prediction, prompt: int, answer: int) -> float:
    """PURE: seconds of an exchange of that many tokens in and out at the predicted speeds."""
    return prompt / prediction.prefill + answer / prediction.decode


def _find(book: CorrectionBook, plan: Plan) -> Correction:
    devices = devices_of(plan)
    found = (each for each in book.corrections if (each.head, each.devices) == (plan.head, devices))
    return next(found, Correction(head=plan.head, devices=devices))


def _with(book: CorrectionBook, changed: Correction) -> CorrectionBook:
    """The book with one correction new; the ones unused longest are forgotten."""
    place = (changed.head, changed.devices)
    others = (each for each in book.corrections if (each.head, each.devices) != place)
    kept = sorted((*others, changed), key=lambda each: each.changed_at)[-PLACEMENTS_KEPT:]
    return book.model_copy(update={"corrections": tuple(kept)})


class Corrections:
    """The book of this node and its file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Reads the file (blocking); a damaged one counts as none."""
        self._clock = clock
        self._book = BookFile(path, CorrectionBook(), "what this run taught")
        self._book.current = with_one_way_links(self._book.current)

    @property
    def mix(self) -> Mix:
        """What users of this PC typically send and get."""
        return self._book.current.mix

    def factor(self, plan: Plan) -> float:
        """How many times longer a plan's placement takes than the cost model says; 1 before its first run."""
        return _find(self._book.current, plan).factor

    def with_corrections(self, view: ClusterView) -> ClusterView:
        """The cluster with what was learned of its devices and links, for the planner."""
        return with_corrections(view, self._book.current)

    async def observe(
        self,
        instance: InstanceStatus,
        prompt_tokens: int,
        answer_tokens: int,
        prompt_speed: float | None,
        decode_speed: float | None,
    ) -> None:
        """Learn from an exchange by the head's own timings.

        `prompt_tokens` are those computed, without what the cache had; speeds are tokens/s, None when not told.
        """
        exchange = Exchange(prompt_tokens, answer_tokens, prompt_speed, decode_speed)
        await self._book.keep(after_run(self._book.current, instance.plan, exchange, self._clock()))

    async def observe_ready(self, instance: InstanceStatus) -> None:
        """Learn from a launch: the time from its request to ready."""
        if instance.ready_at is not None:
            seconds = instance.ready_at - instance.created_at
            await self._book.keep(after_load(self._book.current, instance.plan, seconds, self._clock()))
