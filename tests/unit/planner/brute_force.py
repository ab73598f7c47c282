"""Every head, device list and division of a small cluster, timed by the formulas of design.md in plain loops.

Nothing here is taken from the planner but how many bytes a placement needs.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations
from typing import NamedTuple

from app.planner.memory import Demand, demand, reserve_bytes
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, DeviceResources, NodeResources, Plan, PlanRequest, Preference
from tests.unit.planner.random_clusters import CONTEXT

Device = tuple[NodeResources, DeviceResources]


def repacked(processor: DeviceResources) -> DeviceResources | None:
    """The processor with the speed it has then, None where that is not known."""
    if processor.repacked_bandwidth is None:
        return None
    facts = {"bandwidth": processor.repacked_bandwidth, "compute": processor.repacked_compute}
    facts |= {"prompt_bandwidth": processor.repacked_prompt_bandwidth, "step_compute": processor.repacked_step_compute}
    return processor.model_copy(update=facts)


class Times(NamedTuple):
    """Seconds of one step, of one prompt, and of one beside answers."""

    step: float
    prompt: float
    later: float = 0.0


class Reference:
    """The documented formulas, one placement at a time."""

    def __init__(self, request: PlanRequest, model: ModelShape, view: ClusterView) -> None:
        self.model, self.view = model, view
        self.slots = 1 if request.prefer is Preference.ANSWER else request.slots
        room = CONTEXT // request.slots
        self.prompt, self.answer = request.prompt_tokens or 1000, request.answer_tokens or 400
        if (wished := self.prompt + self.answer) > room:
            self.prompt = min(max(self.prompt * room // wished, 1), room - 1)
            self.answer = room - self.prompt
        self.batches = -(-self.prompt // 512)
        # The first token of a micro-batch is in the time of its bytes.
        self.later = self.prompt - self.batches
        self.per_byte = model.parameters / model.weight_bytes
        self.width = 4 * (model.embedding_length or 0)
        sliding = sum(model.sliding_layers)
        self.masks = 2 if 0 < sliding < model.layers else 1

    def cells(self, block: int) -> int:
        cells = -(-(self.prompt + self.answer // 2) // 256) * 256
        slides = self.model.sliding_layers and self.model.sliding_layers[block]
        return min(cells, 256 + 512) if slides else cells

    def block(self, device: DeviceResources, block: int, *spilled: DeviceResources) -> Times:
        """The time of a block; with the experts on a processor where one is given."""
        weights = self.model.layer_bytes[block]
        experts = self.model.layer_expert_bytes[block] if self.model.layer_expert_bytes else 0
        read = weights - experts * (3 / 4) ** self.slots + self.slots * self.cells(block) * 1024 * 2
        if spilled:
            return self._spilled(device, spilled[0], Times(read, weights), experts, block)
        active = (weights - experts * 3 / 4) * self.per_byte
        attention = 2 * self.prompt * min(self.cells(block), self.prompt) * (self.model.embedding_length or 0)
        return self.both(device, (read, active), (self.batches * weights, 2 * self.later * active + attention))

    def _spilled(
        self, card: DeviceResources, processor: DeviceResources, whole: Times, experts: int, block: int
    ) -> Times:
        """`whole` is what a step and a micro-batch read of all the block, in bytes."""
        used, read = experts / 4 * self.per_byte, experts * (1 - (3 / 4) ** self.slots)
        active = (self.model.layer_bytes[block] - experts) * self.per_byte
        attention = 2 * self.prompt * min(self.cells(block), self.prompt) * (self.model.embedding_length or 0)
        there = self.both(
            card,
            (whole.step - read, active),
            (self.batches * (whole.prompt - experts), 2 * self.later * active + attention),
        )
        here = self.both(processor, (read, used), (self.batches * experts, 2 * self.later * used))
        return Times(there.step + here.step + 50e-6, there.prompt + here.prompt + self.batches * 50e-6)

    def both(self, device: DeviceResources, step: tuple[float, float], prompt: tuple[float, float]) -> Times:
        """Times on a device of a step of (bytes, parameters of each token) and of a prompt of (bytes, FLOP)."""
        assert device.compute is not None
        (count, flops), late = prompt, device.correction or 1.0
        passes = device.prompt_bandwidth or device.bandwidth
        assert passes is not None
        return Times(self.step(device, *step), (count / passes + flops / device.compute) * late)

    def step(self, device: DeviceResources, count: float, active: float) -> float:
        """From nine tokens on as a prompt of so many, but no faster than eight."""
        assert device.bandwidth is not None
        assert device.compute is not None
        few = 2 * (min(self.slots, 8) - 1) * active / (device.step_compute or device.compute)
        ways = [count / device.bandwidth + few]
        if self.slots > 8:
            more = 2 * (self.slots - 1) * active / device.compute
            ways.append(count / (device.prompt_bandwidth or device.bandwidth) + more)
        return max(ways) * (device.correction or 1.0)

    def hop(self, head: NodeResources, pc: NodeResources) -> Times:
        if pc is head:
            return Times(0.0, 0.0)
        link, late = self.link(head, pc)
        up = sum(512 * 512 * (i + 1) for i in range(self.batches)) * 2 * self.masks
        cells = -(-(self.prompt + self.answer // 2) // 256) * 256
        trip, there, back = link
        step = trip + self.slots * ((self.width + cells * 2 * self.masks) / there + self.width / back)
        sent = (self.width * self.prompt + up) / there
        prompt = (self.batches + 4) * trip + sent + self.width * self.prompt / back
        return Times(step * late, prompt * late)

    def link(self, head: NodeResources, pc: NodeResources) -> tuple[tuple[float, float, float], float]:
        """Seconds of a round trip, bytes/s from the head and back to it; the factor learned."""
        found = next(link for link in self.view.links if {link.a, link.b} == {head.node, pc.node})
        assert found.round_trip is not None
        assert found.throughput is not None
        assert found.back is not None
        there, back = (found.throughput, found.back) if found.a == head.node else (found.back, found.throughput)
        return (found.round_trip, there, back), found.correction or 1.0

    def output(self, head: NodeResources, device: Device) -> Times:
        pc, card = device
        size, vocabulary = self.model.output_bytes, self.model.vocabulary or 0
        read = self.step(card, size, size * self.per_byte)
        if pc is head:
            return Times(read, read)
        (_, _, rate), late = self.link(head, pc)
        return Times(read + self.slots * 4 * vocabulary / rate * late, read + 4 * vocabulary / rate * late)

    def times(
        self, head: NodeResources, devices: Sequence[Device], ends: Sequence[int], spilled: Sequence[int] = ()
    ) -> Times:
        """The blocks in `spilled` have their experts on the head's processor, which ends the pipeline."""
        led = (devices[0][0] is head and devices[0][1].is_cpu) or bool(spilled)
        step, links, stages = 0.0, 0.0, []
        for (pc, card), (first, end) in zip(devices, pairwise(ends), strict=True):
            blocks = [self.block(card, i, *(processor_of(head) if i in spilled else ())) for i in range(first, end)]
            hop, token = self.hop(head, pc), (card.token_seconds or 0.0) * (card.correction or 1.0)
            step += sum(block.step for block in blocks) + hop.step + token
            links += hop.prompt + self.batches * token
            stages.append(sum(block.prompt for block in blocks))
        batches = 1 if led else self.batches
        output = self.output(head, devices[-1])
        overlapped = sum(stages) / batches + max(stages) * (batches - 1) / batches
        rest, spared = links + output.prompt, self.spared(devices[-1][1])
        return Times(step + output.step, overlapped + rest - spared / batches, sum(stages) + rest - spared)

    def spared(self, device: DeviceResources) -> float:
        """A prompt's tokens but one a pass do not go through the last block's feed-forward network."""
        assert device.compute is not None
        experts = self.model.layer_expert_bytes[-1] if self.model.layer_expert_bytes else 0
        size = min(self.model.last_feed_forward_bytes, self.model.layer_bytes[-1])
        active = (size - min(experts, size) * 3 / 4) * self.per_byte
        return 2 * self.later * active / device.compute * (device.correction or 1.0)

    def seconds(self, times: Times) -> float:
        return times.prompt + (self.slots - 1) * times.later + self.answer * times.step


def processor_of(pc: NodeResources) -> list[DeviceResources]:
    return [device for device in pc.devices if device.is_cpu]


def spilled_choices(
    needs: Demand, head: NodeResources, devices: Sequence[Device], ends: Sequence[int]
) -> Iterator[list[int]]:
    """The blocks whose experts go to the head's RAM: as few as its cards need; where that is none, some of one card."""
    found = spilled_blocks(needs, head, devices, ends)
    if found is None or found:
        yield from () if found is None else (found,)
        return
    for forced in range(len(devices)):
        found = spilled_blocks(needs, head, devices, ends, forced)
        if found:
            yield found


def spilled_blocks(
    needs: Demand, head: NodeResources, devices: Sequence[Device], ends: Sequence[int], forced: int | None = None
) -> list[int] | None:
    """The blocks whose experts go to the head's RAM so that all fits, as few as each of its cards needs.

    The card of that number gives up at least some when `forced`.

    None when it does not fit so, or where it is not done: with no processor, the last
    block on another PC, or blocks on the processor beside other PCs.
    """
    processors = [device for device in offered(head) if device.is_cpu]
    led = devices[0][0] is head and devices[0][1].is_cpu
    alone = all(pc is head for pc, _ in devices)
    if not processors or devices[-1][0] is not head or devices[-1][1].is_cpu or (led and not alone):
        return None
    left = processors[0].free_bytes - reserve_bytes(processors[0]) - needs.head_ram_bytes
    left -= 0 if led else needs.buffers.experts
    found: list[int] = []
    for number, ((pc, card), (first, end)) in enumerate(zip(devices, pairwise(ends), strict=True)):
        place = {"first": number == 0, "last": number == len(devices) - 1}
        budget = card.free_bytes - reserve_bytes(card) - (needs.output_bytes if place["last"] else 0)
        whole = needs.prefix[end] - needs.prefix[first]
        if pc is not head or card.is_cpu:
            if whole + needs.buffers.of(**place, pipelined=False) > budget:
                return None
            left -= whole + needs.buffers.of(**place, pipelined=False) if pc is head else 0
            continue
        gone = fewest_gone(needs, budget, first, end, place, 1 if forced == number else 0)
        if gone is None:
            return None
        found += [i for i in range(first, first + gone) if needs.experts[i + 1] > needs.experts[i]]
    left -= sum(needs.experts[i + 1] - needs.experts[i] for i in found)
    return found if left >= 0 else None


def fewest_gone(needs: Demand, budget: int, first: int, end: int, place: dict[str, bool], least: int) -> int | None:
    """How many of a card's first blocks must go without their experts."""
    whole = needs.prefix[end] - needs.prefix[first]
    if not least and whole + needs.buffers.of(**place, pipelined=False) <= budget:
        return 0
    for gone in range(1, end - first + 1):
        without, rest = needs.experts[first + gone] - needs.experts[first], needs.experts[end]
        has_whole = needs.experts[first + gone] < rest
        buffers = needs.buffers.spilled(**place, whole=has_whole, copied=needs.expert_copy)
        if without and whole - without + buffers <= budget:
            return gone
    return None


def offered(pc: NodeResources) -> list[DeviceResources]:
    return [device for device in pc.devices if device.free_bytes > reserve_bytes(device)]


def rank(pc: NodeResources) -> tuple[bool, int, str]:
    """Best PC first: a GPU with room, then most bytes on offer there."""
    able = offered(pc)
    if any(not device.is_cpu for device in pc.devices):
        able = [device for device in able if not device.is_cpu]
    gpus = any(not device.is_cpu for device in able)
    return (not gpus, -sum(device.free_bytes - reserve_bytes(device) for device in able), pc.node)


def in_order(reference: Reference, head: NodeResources, workers: Sequence[NodeResources]) -> list[Device]:
    """The head's processor; the workers, the one where the output layer costs least last; the head's GPUs."""
    ranked = sorted(workers, key=rank)

    def dear(device: Device) -> tuple[float, int]:
        return (-reference.output(head, device).step, -ranked.index(device[0]))

    groups = [sorted(((pc, card) for card in offered(pc)), key=lambda d: _cpu_first(d, dear)) for pc in ranked]
    groups = sorted((group for group in groups if group), key=lambda group: dear(group[-1]))
    own = [(head, device) for device in offered(head)]
    middle = [device for group in groups for device in group]
    return [d for d in own if d[1].is_cpu] + middle + [d for d in own if not d[1].is_cpu]


def _cpu_first(device: Device, dear: object) -> tuple[float, int, bool]:
    found = dear(device)  # type: ignore[operator]
    return (found[0], found[1], not device[1].is_cpu)


def within_budgets(needs: Demand, head: NodeResources, devices: Sequence[Device], ends: Sequence[int]) -> bool:
    pipelined = len(devices) > 1 and not (devices[0][0] is head and devices[0][1].is_cpu)
    last = len(devices) - 1
    for i, ((pc, card), (first, end)) in enumerate(zip(devices, pairwise(ends), strict=True)):
        beside = needs.head_ram_bytes if pc is head and card.is_cpu else 0
        used = needs.prefix[end] - needs.prefix[first] + (needs.output_bytes if i == last else 0) + beside
        used += needs.buffers.of(first=i == 0, last=i == last, pipelined=pipelined) + reserve_bytes(card)
        if used > card.free_bytes:
            return False
    return True


def placements(
    request: PlanRequest, model: ModelShape, view: ClusterView, reference: Reference, *, any_order: bool = True
) -> Iterator[tuple[int, bool, float]]:
    """Number of PCs, whether all of them hold blocks, and seconds of every placement that fits."""
    needs = demand(model, request.context or CONTEXT, request.slots, request.kv_type)
    for head in (pc for pc in view.nodes if pc.holds_model):
        able = [pc for pc in view.nodes if pc is not head and pc.engine_build == head.engine_build and offered(pc)]
        for chosen in lists(reference, head, able, model.layers, any_order=any_order):
            holding = {pc.node for pc, _ in chosen}
            nodes = holding | {head.node}
            if not set(request.use) <= nodes:
                continue
            for cuts in combinations(range(1, model.layers), len(chosen) - 1):
                ends = (0, *cuts, model.layers)
                if within_budgets(needs, head, chosen, ends):
                    yield len(nodes), nodes == holding, reference.seconds(reference.times(head, chosen, ends))
                    again = repacked(chosen[0][1]) if len(chosen) == 1 and chosen[0][0] is head else None
                    if again is not None:
                        yield 1, True, reference.seconds(reference.times(head, [(head, again)], ends))
                for gone in spilled_choices(needs, head, chosen, ends) if needs.has_experts else ():
                    times = reference.times(head, chosen, ends, gone)
                    yield len(nodes), nodes == holding, reference.seconds(times)


def lists(
    reference: Reference, head: NodeResources, workers: Sequence[NodeResources], most: int, *, any_order: bool
) -> Iterator[tuple[Device, ...]]:
    """All lists of up to so many devices, those of the workers in the usual order or in every one that matters."""
    devices = in_order(reference, head, workers)
    for count in range(1, min(len(devices), most) + 1):
        for chosen in combinations(devices, count):
            ours = [device for device in chosen if device[0] is not head]
            begin = chosen.index(ours[0]) if ours else 0
            for order in orders(ours) if any_order else (ours,):
                yield (*chosen[:begin], *order, *chosen[begin + len(ours) :])


def orders(devices: Sequence[Device]) -> Iterator[Sequence[Device]]:
    """The devices of workers with each pair of them first and last, those of a PC side by side.

    For blocks of one size that stands for all orders: the room of a device depends on whether it is first or last.
    """
    yield devices
    for first, last in permutations(devices, 2):
        pcs = list(dict.fromkeys(pc.node for pc, _ in devices))
        if first[0] is last[0] and len(pcs) > 1:
            continue
        if first[0] is not last[0]:
            pcs.sort(key=lambda pc: (pc == last[0].node) - (pc == first[0].node))
        grouped = [[device for device in devices if device[0].node == pc] for pc in pcs]
        yield [d for group in grouped for d in sorted(group, key=lambda d: (d is last) - (d is first))]


def best_by_number(
    request: PlanRequest, model: ModelShape, view: ClusterView, reference: Reference, *, any_order: bool = True
) -> tuple[dict[int, float], dict[int, float]]:
    """The least seconds for each number of PCs: of all placements, and of those where every PC holds blocks."""
    best: dict[int, float] = {}
    shared: dict[int, float] = {}
    for pcs, is_shared, seconds in placements(request, model, view, reference, any_order=any_order):
        best[pcs] = min(best.get(pcs, seconds), seconds)
        if is_shared:
            shared[pcs] = min(shared.get(pcs, seconds), seconds)
    return best, shared


def allowed_by_number(request: PlanRequest, best: dict[int, float], shared: dict[int, float]) -> dict[int, float]:
    """What the request allows: N PCs that share the blocks, and only if there is no such thing, a head without any."""
    asked = request.pcs or request.min_pcs
    more = {} if request.pcs else {n: s for n, s in best.items() if n > asked}
    wanted = more | ({asked: shared[asked]} if asked in shared else {})
    return wanted or ({asked: best[asked]} if asked in best else {})


def planned_times(found: Plan, view: ClusterView, reference: Reference) -> Times:
    nodes = {pc.node: pc for pc in view.nodes}
    devices = [
        (nodes[stage.node], next(d for d in nodes[stage.node].devices if d.device == stage.device))
        for stage in found.stages
    ]
    again = repacked(devices[0][1]) if found.pcs == len(devices) == 1 else None
    if again is not None and found.repacks:
        devices = [(devices[0][0], again)]
    ends = [0, *(stage.last_layer + 1 for stage in found.stages)]
    return reference.times(nodes[found.head], devices, ends, found.experts.layers if found.experts else ())
