"""PURE: a plan or refusal as what is drawn: a bar per device, a line per number of PCs, a reason per PC left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from app.schema.plan import (
    CPU_DEVICE,
    Alternative,
    EncoderShare,
    ExpertShare,
    NodeReason,
    Plan,
    PlanRequest,
    Prediction,
    Refusal,
    Role,
    Stage,
)
from app.schema.record import NodeId
from app.ui.models import figures
from app.ui.models.pcs import Pc
from app.ui.models.verdicts import beats
from app.ui.parts.sizes import count_text
from app.ui.words import Phrase, shortened, tr, verbatim

_BUTTON_COLUMNS = 22


@dataclass(frozen=True)
class DeviceBar:
    """One device in bytes, and the layers it carries. `other` is what other programs use, `over` what is missing.

    `encoder` and `draft` are what of `weights` the picture encoder and the draft model take, their buffers included.
    """

    name: str
    layers: Phrase
    weights: int
    kv: int
    buffers: int
    other: int
    free: int
    free_before: int
    over: int = 0
    encoder: int = 0
    draft: int = 0

    @property
    def used(self) -> int:
        """What the model takes."""
        return self.weights + self.kv + self.buffers

    @property
    def small_parts(self) -> Phrase:
        """What a bar has no room to say: `context 540 MB · buffers 512 MB · other programs 1.4 GB`."""
        told = tr(
            "context {kv} · buffers {buffers} · other programs {other}",
            kv=figures.size(self.kv),
            buffers=figures.size(self.buffers),
            other=figures.size(self.other),
        )
        if self.draft:
            told = tr("draft model {size} · {rest}", size=figures.size(self.draft), rest=told)
        if self.encoder:
            told = tr("picture encoder {size} · {rest}", size=figures.size(self.encoder), rest=told)
        return told

    @property
    def missing(self) -> Phrase:
        """What is missing, rounded up."""
        return figures.missing(self.over)

    @property
    def summary(self) -> Phrase:
        """`8.9 of 11.2 GB free`."""
        return tr("{used} of {free} free", used=figures.size(self.used), free=figures.size(self.free_before))


@dataclass(frozen=True)
class PcBars:
    """One PC of a plan with its devices. `colour` is its index in `Palette.device_colour`."""

    node: NodeId
    name: str
    is_head: bool
    is_this: bool
    colour: int
    devices: tuple[DeviceBar, ...]


@dataclass(frozen=True)
class ComparisonLine:
    """The model on one number of PCs. `note` says why there are no figures, or what adding PCs changes."""

    pcs: int
    fits: bool
    is_chosen: bool
    speed: Phrase
    first_word: Phrase
    load: Phrase
    note: Phrase | None
    sentence: str
    is_slower: bool = False


def bars(plan: Plan, pcs: Sequence[Pc]) -> tuple[PcBars, ...]:
    """The PCs of a plan in the order in which layers flow through them."""
    nodes = list(dict.fromkeys([*(stage.node for stage in plan.stages), plan.head]))
    return tuple(_pc_bars(plan, pcs, node, order) for order, node in enumerate(nodes))


def comparison(answer: Plan | Refusal) -> tuple[ComparisonLine, ...]:
    """One line for each number of PCs that was tried."""
    known = answer.alternatives
    now = answer.pcs if isinstance(answer, Plan) else None
    return tuple(_line(each, known, answer, each.pcs == now) for each in known)


def left_out(answer: Plan | Refusal) -> tuple[NodeReason, ...]:
    """Why PCs take no part."""
    return answer.left_out if isinstance(answer, Plan) else answer.reasons


def can_be_used(reason: NodeReason, request: PlanRequest, pcs: Sequence[Pc]) -> bool:
    """Whether "use anyway" can do anything: the PC answers, shares, has an engine and was not asked for yet."""
    pc = next((each for each in pcs if each.node == reason.node), None)
    if pc is None or reason.node in request.use:
        return False
    return pc.is_there and pc.sharing and pc.engine is not None


def used_anyway(request: PlanRequest, node: NodeId) -> PlanRequest:
    """The request that insists on a PC. A number of PCs that was asked for no longer holds."""
    avoid = tuple(each for each in request.avoid if each != node)
    return request.model_copy(update={"use": (*request.use, node), "avoid": avoid, "pcs": None, "shares": ()})


def headline(answer: Plan) -> Phrase:
    """`~21 tok/s · first word in 1.4 s after 1 000 tokens · ready in about 9 s`, as far as it is known."""
    known = answer.prediction
    if known is None:
        return tr("Speed not known yet: not every PC in it has been measured.")
    parts = tr(
        "{speed} · first word {first} after {tokens} tokens in",
        speed=_speed(known),
        first=figures.duration(known.first_token),
        tokens=count_text(known.prompt_tokens),
    )
    if known.throughput is not None:
        together = figures.speed(known.throughput, known.is_measured)
        parts = tr("{parts} · {speed} of all {count} together", parts=parts, speed=together, count=known.conversations)
    if known.load is None:
        return parts
    return tr("{parts} · ready in about {load}", parts=parts, load=figures.duration(known.load))


def launch_words(plan: Plan) -> Phrase:
    """What the one button says."""
    if plan.pcs > 1:
        return tr("Launch on {pcs} PCs", pcs=plan.pcs)
    return tr("Launch on {pc}", pc=shortened(plan.stages[-1].node_name, _BUTTON_COLUMNS))


def layer_words(stage: Stage) -> Phrase:
    """`layers 1-20`, counted from one as people do; the last device also has the output."""
    first, last = stage.first_layer + 1, stage.last_layer + 1
    if last < first:
        return tr("output") if stage.holds_output else tr("no layers")
    words = tr("layer {first}", first=first) if first == last else tr("layers {first}-{last}", first=first, last=last)
    return tr("{layers}, output", layers=words) if stage.holds_output else words


def _pc_bars(plan: Plan, pcs: Sequence[Pc], node: NodeId, order: int) -> PcBars:
    pc = next((each for each in pcs if each.node == node), None)
    stages = [stage for stage in plan.stages if stage.node == node]
    name = stages[0].node_name if stages else pc.name if pc else node[:8]
    found = {stage.device: _bar(stage.device, stage, layer_words(stage), pc, stage.kv_bytes) for stage in stages}
    if node == plan.head:
        _add_beside(found, plan, pc)
    return PcBars(
        node=node,
        name=name,
        is_head=node == plan.head,
        is_this=pc is not None and pc.is_this,
        colour=pc.colour if pc else order,
        devices=tuple(found.values()),
    )


def _add_beside(found: dict[str, DeviceBar], plan: Plan, pc: Pc | None) -> None:
    """Add to the head's bars what its devices hold beside their layers."""
    if plan.experts is not None:
        words = tr("experts of {count} layers", count=len(plan.experts.layers))
        experts = _bar(CPU_DEVICE, plan.experts, words, pc)
        found[CPU_DEVICE] = _joined(found[CPU_DEVICE], experts) if CPU_DEVICE in found else experts
    if plan.encoder is not None:
        name, size = plan.encoder.device, plan.encoder.total_bytes
        beside = found.get(name)
        alone = _bar(name, plan.encoder, tr("picture encoder"), pc)
        found[name] = alone if beside is None else replace(_with_more(beside, size), encoder=size)
    guesses = plan.speculation
    if guesses is not None and guesses.draft_device is not None:
        name, size = guesses.draft_device, guesses.draft_bytes
        known = pc.device(name) if pc else None
        if name in found:
            found[name] = replace(_with_more(found[name], size), draft=size)
        elif known is not None:
            empty = _empty(name, tr("draft model"), pc, known.free_bytes)
            found[name] = replace(_with_more(empty, size), draft=size)


def _joined(bar: DeviceBar, more: DeviceBar) -> DeviceBar:
    """The bar of a device that holds both."""
    layers = tr("{some} and {others}", some=bar.layers, others=more.layers)
    return replace(_with_more(bar, more.weights, more.kv, more.buffers), layers=layers)


def _bar(
    device: str, held: Stage | ExpertShare | EncoderShare, layers: Phrase, pc: Pc | None, kv: int = 0
) -> DeviceBar:
    """The bar of a device with just that on it."""
    empty = _empty(device, layers, pc, held.free_bytes)
    return _with_more(empty, held.weight_bytes, kv, held.compute_bytes)


def _empty(device: str, layers: Phrase, pc: Pc | None, free: int) -> DeviceBar:
    """The bar of a device that has so many bytes free and nothing of the plan yet."""
    known = pc.device(device) if pc else None
    return DeviceBar(
        name=device_name(device, pc),
        layers=layers,
        weights=0,
        kv=0,
        buffers=0,
        other=max(0, known.total_bytes - free) if known else 0,
        free=max(0, free),
        free_before=free,
    )


def _with_more(bar: DeviceBar, weights: int, kv: int = 0, buffers: int = 0) -> DeviceBar:
    """The bar with so many bytes more on its device."""
    free = bar.free - bar.over - weights - kv - buffers
    return replace(
        bar,
        weights=bar.weights + weights,
        kv=bar.kv + kv,
        buffers=bar.buffers + buffers,
        free=max(0, free),
        over=max(0, -free),
    )


def device_name(engine_name: str, pc: Pc | None) -> str:
    """`RTX 4090`, `RAM`; the engine's own name when the PC has not told of the device."""
    if engine_name == CPU_DEVICE:
        return "RAM"
    device = pc.device(engine_name) if pc else None
    return short_name(device.name) if device is not None and device.name else engine_name


def short_name(device: str) -> str:
    """`NVIDIA GeForce RTX 4090` is `RTX 4090`."""
    return device.removeprefix("NVIDIA ").removeprefix("GeForce ") or device


def _line(each: Alternative, known: Sequence[Alternative], answer: Plan | Refusal, is_chosen: bool) -> ComparisonLine:
    told = each.prediction
    if told is None and is_chosen and isinstance(answer, Plan):
        told = answer.prediction
    slower_than = _slower_than(each, known) if each.fits else None
    return ComparisonLine(
        pcs=each.pcs,
        fits=each.fits,
        is_chosen=is_chosen,
        speed=_speed(told) if each.fits and told else figures.UNKNOWN,
        first_word=figures.duration(told.first_token) if each.fits and told else figures.UNKNOWN,
        load=figures.duration(told.load) if each.fits and told else figures.UNKNOWN,
        note=_note(each, known, slower_than, told),
        sentence=each.sentence,
        is_slower=slower_than is not None,
    )


def _note(
    each: Alternative, known: Sequence[Alternative], slower_than: Alternative | None, told: Prediction | None
) -> Phrase | None:
    if not each.fits:
        return _shortage(each)
    if slower_than is not None:
        words = (
            tr("slower than 1 PC alone") if slower_than.pcs == 1 else tr("slower than {pcs} PCs", pcs=slower_than.pcs)
        )
        return words
    alone = next((one for one in known if one.pcs == 1 and one.fits), None)
    if each.pcs > 1 and alone and alone.prediction and told and beats(told, alone.prediction):
        gain = round((told.decode / alone.prediction.decode - 1) * 100)
        return tr("{gain} % faster than 1 PC", gain=gain)
    return tr("speed not known yet") if told is None else None


def _shortage(each: Alternative) -> Phrase:
    if not each.short_bytes:
        return verbatim(each.sentence)
    short = tr("{size} short", size=figures.missing(each.short_bytes))
    if each.largest_context is None:
        return short
    return tr("{short} (largest context that fits: {context})", short=short, context=count_text(each.largest_context))


def _slower_than(each: Alternative, known: Sequence[Alternative]) -> Alternative | None:
    """The fastest number of fewer PCs that beats this one."""
    fewer = [one for one in known if one.fits and one.pcs < each.pcs and beats(one.prediction, each.prediction)]
    return max(fewer, key=lambda one: one.prediction.decode if one.prediction else 0.0, default=None)


def _speed(known: Prediction) -> Phrase:
    return figures.speed(known.decode, known.is_measured)


def head_note(plan: Plan) -> Phrase | None:
    """The head's RAM beside its layers: the word table always stays there."""
    if not plan.head_ram_bytes:
        return None
    name = next((stage.node_name for stage in plan.stages if stage.role is Role.HEAD), None)
    if name is None:
        return None
    return tr("{pc} also keeps {size} in RAM.", pc=name, size=figures.size(plan.head_ram_bytes))


def kept_note(plan: Plan) -> Phrase | None:
    """Which PCs have how much of the model on their disks, so that it need not be sent."""
    phrases = [
        tr("{pc} keeps {size} of the model on its disk.", pc=shortened(name, _BUTTON_COLUMNS), size=figures.size(count))
        for name, count in plan.kept_on
    ]
    return reduce(lambda one, other: tr("{one} {other}", one=one, other=other), phrases) if phrases else None


def guessing_note(plan: Plan) -> Phrase | None:
    """How the plan answers faster by guessing ahead, when it does."""
    told = plan.speculation
    return tr("{sentence}", sentence=told.sentence) if told is not None else None
