"""The devices of one head in layer order, with what each can hold and what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from app.planner.eligibility import Candidate, Offer
from app.planner.endings import Endings
from app.planner.memory import Demand
from app.planner.room import Room, at_ease, room_of
from app.planner.speed import (
    BlockTimes,
    Hop,
    Mix,
    Pace,
    StageCost,
    Work,
    block_times,
    hop_of,
    pace_of,
    repacked_pace,
    spill_times,
    stage_cost,
)
from app.planner.stop import Stop
from app.schema.plan import LinkMeasure
from app.schema.record import NodeId

MOST_ACCELERATORS = 15
"""Devices beside the head's processor the engine can drive (`GGML_SCHED_MAX_BACKENDS` is 16 with the processor)."""

MOST_PCS = MOST_ACCELERATORS + 1

TIE = 1e-6
"""Seconds by which a device counts as dearer, and once more for each better PC before its own: equal choices fall to
the fewest devices and the first PCs. The head's roomiest device counts as cheaper: the head is there anyway."""


def on_head_processor(offer: Offer, head: Candidate) -> bool:
    """Whether an offer is the processor of the head, which the engine drives without counting it as a device."""
    return offer.device.is_cpu and offer.node.node == head.node.node


def head_processor(head: Candidate) -> Offer | None:
    """The head's processor, None when it offers nothing."""
    return next((offer for offer in head.offers if offer.device.is_cpu), None)


def compute_bytes(
    demand: Demand, head: Candidate, offers: Sequence[Offer], *, pipelined: bool | None = None
) -> tuple[int, ...]:
    """Compute buffers of each stage of a split of whole blocks.

    `pipelined` None: as the engine does of itself, when it offloads all to two or more devices.
    """
    if pipelined is None:
        pipelined = len(offers) > 1 and not on_head_processor(offers[0], head)
    last = len(offers) - 1
    return tuple(demand.buffers.of(first=i == 0, last=i == last, pipelined=pipelined) for i in range(len(offers)))


@dataclass(frozen=True)
class Line:
    """The stops of a head in layer order: its processor when it leads, the workers' devices, its own GPUs.

    `pipelined`: the engine overlaps the micro-batches of a prompt. `workers` are the stops of one worker each. With
    `endings`, experts of the head's last blocks stay in its RAM, and its processor leads only without workers. When it
    `repacks`, the processor is alone and has its pace with weights that the engine rearranges.
    """

    head: Candidate
    mix: Mix
    pipelined: bool
    leading: Stop | None
    workers: tuple[tuple[Stop, ...], ...]
    own: tuple[Stop, ...]
    endings: Endings | None = None
    repacks: bool = False

    @property
    def batches(self) -> int:
        """Micro-batches of a prompt that overlap; 1 when none do."""
        return self.mix.batches if self.pipelined else 1

    @property
    def weight(self) -> float:
        """Seconds of the exchange per second of the slowest stage's prompt, beyond what `Stop.seconds` counts."""
        return (self.batches - 1) / self.batches

    def stops(self) -> Iterator[Stop]:
        """All stops in layer order."""
        if self.leading:
            yield self.leading
        for worker in self.workers:
            yield from worker
        yield from self.own

    def among(self, workers: Sequence[tuple[Stop, ...]]) -> "Line":
        """The line with these workers."""
        return replace(self, workers=tuple(workers))


class Ground:
    """What does not change while placements are sought: the model's demand and work, and the measured links.

    What was worked out for a device is kept for the next head.
    """

    def __init__(self, demand: Demand, work: Work, links: Mapping[frozenset[NodeId], LinkMeasure]) -> None:
        self.demand = demand
        self.work = work
        self._links = links
        self._times: dict[tuple[NodeId, str, bool], BlockTimes] = {}
        self._seconds: dict[tuple[int, bool], tuple[tuple[float, ...], float, float]] = {}
        self._rooms: dict[tuple[int, bool, bool], tuple[Room, Room]] = {}

    def cost(self, head: Candidate, offer: Offer) -> StageCost:
        """What a device costs under that head."""
        return stage_cost(self.work, self._block_times(offer, pace_of(offer.device)), self._hop(head, offer))

    def repacked(self, offer: Offer) -> StageCost | None:
        """What a head's processor costs that holds all, with weights that the engine rearranges; None if unknown."""
        pace = repacked_pace(offer.device)
        return None if pace is None else stage_cost(self.work, self._block_times(offer, pace, repacked=True), None)

    def _block_times(self, offer: Offer, pace: Pace, *, repacked: bool = False) -> BlockTimes:
        key = (offer.node.node, offer.device.device, repacked)
        if key not in self._times:
            self._times[key] = block_times(self.work, pace)
        return self._times[key]

    def lines(self, head: Candidate, workers: Sequence[Candidate], *, processors: bool) -> tuple[Line, ...]:
        """The lines of a head with these workers (best first): over accelerators alone, and after its processor; and of
        its processor alone, where it has another pace then.

        The worker where the output layer costs least comes last, then the head's own devices: design.md, "Order".
        """
        offers = head.usable(processors=processors)
        main = max(offers, key=lambda offer: (not offer.device.is_cpu, offer.budget), default=None)
        own = [_Priced(offer, self.cost(head, offer), -2 if offer is main else 0) for offer in offers]
        groups = [
            [_Priced(offer, self.cost(head, offer), rank) for offer in worker.usable(processors=processors)]
            for rank, worker in enumerate(workers, 1)
        ]
        inner = [sorted(group, key=_output_last) for group in groups if group]
        ordered = sorted(inner, key=lambda group: _output_last(group[-1]))
        processor = next((priced for priced in own if priced.offer.device.is_cpu), None)
        gpus = [priced for priced in own if not priced.offer.device.is_cpu]
        plain = self._line(head, None, ordered, gpus)
        if processor is None:
            return (plain,)
        led = self._line(head, processor, ordered, gpus)
        spilling = (self._spilling(led),) if gpus and self.demand.has_experts else ()
        return (plain, led, *spilling, *self._repacking(led, processor))

    def _repacking(self, led: Line, processor: "_Priced") -> tuple[Line, ...]:
        cost = self.repacked(processor.offer)
        if cost is None:
            return ()
        stop = self._stop(replace(processor, cost=cost), False, self.demand.head_ram_bytes)
        return (replace(led, leading=stop, workers=(), own=(), repacks=True),)

    def _spilling(self, led: Line) -> Line:
        """The line whose cards leave experts in the head's RAM."""
        assert led.leading is not None
        processor = led.leading
        own = tuple(self._with_spill(stop, processor.cost.pace) for stop in led.own)
        ram = processor.offer.budget - self.demand.head_ram_bytes - self.demand.buffers.experts
        return replace(led, own=own, endings=Endings(self.demand, own, ram))

    def _with_spill(self, stop: Stop, processor: Pace) -> Stop:
        mix, spill = self.work.mix, spill_times(self.work, stop.cost.pace, processor)
        pairs = zip(spill.step, spill.prompt, strict=True)
        seconds = tuple(mix.answer * step + mix.slots * prompt for step, prompt in pairs)
        return replace(stop, cost=replace(stop.cost, spill=spill), spill=seconds)

    def _line(
        self,
        head: Candidate,
        processor: "_Priced | None",
        workers: Sequence[Sequence["_Priced"]],
        gpus: Sequence["_Priced"],
    ) -> Line:
        pipelined = processor is None
        return Line(
            head=head,
            mix=self.work.mix,
            pipelined=pipelined,
            leading=self._stop(processor, pipelined, self.demand.head_ram_bytes) if processor else None,
            workers=tuple(tuple(self._stop(priced, pipelined) for priced in group) for group in workers),
            own=tuple(self._stop(priced, pipelined) for priced in gpus),
        )

    def _hop(self, head: Candidate, offer: Offer) -> Hop | None:
        if offer.node.node == head.node.node:
            return None
        return hop_of(self._links.get(frozenset((head.node.node, offer.node.node))), head.node.node)

    def _stop(self, priced: "_Priced", pipelined: bool, beside: int = 0) -> Stop:
        """A stop; `beside` are the bytes of the embedding table and the like that lie there too."""
        mix, cost, offer = self.work.mix, priced.cost, priced.offer
        seconds, per_byte, prompt_per_byte = self._exchange_seconds(cost, pipelined)
        spared = self._prompts_in_full(pipelined) * cost.times.spared
        room, eased = self._room(offer.budget - beside, pipelined, beside > 0)
        return Stop(
            offer=offer,
            cost=cost,
            room=room,
            eased=eased,
            seconds=seconds,
            per_byte=per_byte,
            prompt_per_byte=prompt_per_byte,
            fixed=mix.answer * cost.fixed_step + mix.slots * cost.fixed_prompt + TIE * (1 + priced.rank),
            last=mix.answer * cost.output_step + mix.slots * cost.output_prompt - spared,
        )

    def _room(self, budget: int, pipelined: bool, embeds: bool) -> tuple[Room, Room]:
        """What a device can hold, and what it could if its place made no difference."""
        key = (budget, pipelined, embeds)
        if key not in self._rooms:
            room = room_of(self.demand, budget, pipelined=pipelined, embeds=embeds)
            self._rooms[key] = (room, at_ease(self.demand, room))
        return self._rooms[key]

    def _exchange_seconds(self, cost: StageCost, pipelined: bool) -> tuple[tuple[float, ...], float, float]:
        """`Stop.seconds`, `Stop.per_byte` and `Stop.prompt_per_byte` of a device, whose times are kept in `_times`."""
        key = (id(cost.times), pipelined)
        if key not in self._seconds:
            mix = self.work.mix
            part = self._prompts_in_full(pipelined)
            seconds = [mix.answer * step + part * prompt for step, prompt in zip(cost.step, cost.prompt, strict=True)]
            self._seconds[key] = (tuple(seconds), self._least_rate(seconds), self._least_rate(cost.prompt))
        return self._seconds[key]

    def _prompts_in_full(self, pipelined: bool) -> float:
        """How often a stage's time for a prompt is due in the exchanges, the wait for the slowest aside."""
        mix = self.work.mix
        return 1 / (mix.batches if pipelined else 1) + mix.slots - 1

    def _least_rate(self, seconds: Sequence[float]) -> float:
        """The least seconds per byte of any block, for prefix sums over the blocks."""
        blocks = zip(pairwise(seconds), pairwise(self.demand.prefix), strict=True)
        return min(
            ((late - early) / (end - start) for (early, late), (start, end) in blocks if end > start), default=0.0
        )


@dataclass(frozen=True, slots=True)
class _Priced:
    """An offer, what it costs, and the rank of its PC."""

    offer: Offer
    cost: StageCost
    rank: int


def _output_last(priced: _Priced) -> tuple[float, int]:
    return (-priced.cost.output_step, -priced.rank)
