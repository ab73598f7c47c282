"""The choice against brute force: thousands of small random clusters, every head, device list and division tried.

The times are worked out here from the formulas of design.md, in plain loops of their own.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations
from random import Random
from typing import NamedTuple

import pytest

from app.planner.memory import Demand, demand, reserve_bytes
from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import (
    ClusterView,
    DeviceResources,
    LinkMeasure,
    NodeResources,
    Plan,
    PlanRequest,
    Preference,
    Refusal,
)
from tests.unit.planner.samples import GIB, MIB, ask, cpu, gpu, node, shape

CONTEXT = 2048
TIED, CLOSE, ORDER = 0.02, 0.01, 0.0025

Device = tuple[NodeResources, DeviceResources]


def random_shape(random: Random) -> ModelShape:
    """One to six blocks, often of one size, some with experts, some sliding."""
    count = random.randint(1, 6)
    sizes = [random.randint(1, 12) * 100 * MIB for _ in range(count)]
    if random.random() < 0.4:
        sizes = sizes[:1] * count
    facts: dict[str, object] = {"key_widths": (512,) * count, "value_widths": (512,) * count}
    if random.random() < 0.5:
        facts |= {"expert_count": 8, "experts_used": 2, "layer_expert_bytes": random_experts(random, sizes)}
        facts["largest_expert_bytes"] = random.choice([0, 20 * MIB])
    if random.random() < 0.3:
        facts |= {"sliding_window": 256, "sliding_layers": tuple(random.random() < 0.5 for _ in sizes)}
    return shape(
        tuple(sizes),
        parameters=2 * sum(sizes),
        output_bytes=random.randint(0, 8) * 100 * MIB,
        embedding_bytes=random.randint(0, 4) * 100 * MIB,
        embedding_length=random.choice([0, 4096, 16384]),
        vocabulary=random.choice([0, 150000]),
        feed_forward_length=random.choice([0, 20000]),
        **facts,
    )


def random_experts(random: Random, sizes: Sequence[int]) -> tuple[int, ...]:
    """Three quarters of each block, as a rule; sometimes the first block has none, and the others differ."""
    if random.random() < 0.6:
        return tuple(size * 3 // 4 for size in sizes)
    return (0, *(size * random.randint(1, 3) // 4 for size in sizes[1:]))


def measured(random: Random, device: DeviceResources) -> DeviceResources:
    low, high = (20e9, 80e9) if device.is_cpu else (100e9, 1000e9)
    bandwidth = random.uniform(low, high)
    correction = random.choice([None, None, 0.8, 1.5])
    compute = bandwidth * random.uniform(5, 80)
    token = random.choice([0.0, 1e-4, 1e-2])
    facts = {"bandwidth": bandwidth, "compute": compute, "token_seconds": token, "correction": correction}
    if int(bandwidth) % 2:
        # A pass of a prompt costs more than a token, and a token of a few more than one of many.
        facts |= {"prompt_bandwidth": bandwidth / 1.7, "step_compute": compute / 3}
    return with_repacking(device.model_copy(update=facts)) if device.is_cpu else device.model_copy(update=facts)


def with_repacking(processor: DeviceResources) -> DeviceResources:
    """Some processors with another speed for weights that the engine rearranges, slower, alike or faster."""
    assert processor.bandwidth is not None
    assert processor.compute is not None
    kind = int(processor.bandwidth) % 6
    if kind < 2:
        return processor
    again = (0.6, 0.99, 1.01, 1.5)[kind - 2]
    facts = {
        "repacked_bandwidth": processor.bandwidth * (1 + (again - 1) / 4),
        "repacked_compute": processor.compute * again,
        "repacked_prompt_bandwidth": processor.prompt_bandwidth,
        "repacked_step_compute": processor.step_compute,
    }
    return processor.model_copy(update=facts)


def repacked(processor: DeviceResources) -> DeviceResources | None:
    """The processor with the speed it has then, None where that is not known."""
    if processor.repacked_bandwidth is None:
        return None
    facts = {"bandwidth": processor.repacked_bandwidth, "compute": processor.repacked_compute}
    facts |= {"prompt_bandwidth": processor.repacked_prompt_bandwidth, "step_compute": processor.repacked_step_compute}
    return processor.model_copy(update=facts)


def random_node(random: Random, name: str) -> NodeResources:
    cards = [gpu(random.randint(0, 60) * 100 * MIB, 8 * GIB, f"CUDA{i}") for i in range(random.choice([0, 1, 1, 2]))]
    if random.random() < 0.6 or not cards:
        cards.append(cpu(random.randint(0, 60) * 100 * MIB, 16 * GIB))
    build = random.choice(["11434", "11434", "11434", "11434", "7827"])
    return node(name, *(measured(random, card) for card in cards), holds=random.random() < 0.5, build=build)


def random_view(random: Random) -> ClusterView:
    nodes = [random_node(random, name) for name in ["ALPHA", "BRAVO", "CHARLIE"][: random.randint(1, 3)]]
    links = [
        LinkMeasure(
            a=a.node,
            b=b.node,
            round_trip=10 ** random.uniform(-4, -1.8),
            throughput=10 ** random.uniform(7, 9),
            back=10 ** random.uniform(7, 9),
            correction=random.choice([None, 2.0]),
        )
        for a, b in combinations(nodes, 2)
    ]
    return ClusterView(this_node=nodes[0].node, nodes=tuple(nodes), links=tuple(links))


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
        rest = links + output.prompt
        return Times(step + output.step, overlapped + rest, sum(stages) + rest)

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


def random_request(random: Random, view: ClusterView) -> PlanRequest:
    wishes: dict[str, object] = {"context": CONTEXT}
    if random.random() < 0.2:
        wishes["pcs"] = random.randint(1, 3)
    elif random.random() < 0.2:
        wishes["min_pcs"] = 2
    if random.random() < 0.2:
        wishes["use"] = (random.choice(view.nodes).node,)
    if random.random() < 0.5:
        wishes |= {"prompt_tokens": random.choice([100, 500, 1500]), "answer_tokens": random.choice([10, 500])}
    prefer = random.choice([None, None, Preference.ANSWER, Preference.THROUGHPUT])
    return ask(slots=random.choice([1, 1, 3]), prefer=prefer, **wishes)


@pytest.mark.parametrize("seed", range(8))
def test_no_placement_is_faster(seed: int) -> None:
    random = Random(seed)
    for _ in range(300):
        model, view = random_shape(random), random_view(random)
        request = random_request(random, view)
        check(request, model, view)


@pytest.mark.parametrize("seed", range(4))
def test_no_placement_is_faster_where_ram_is_plenty_for_experts(seed: int) -> None:
    """Mixtures of experts on PCs with a processor each; many plans leave some in the head's RAM."""
    random, spilling = Random(100 + seed), 0
    for _ in range(150):
        model, view = with_experts(random, random_shape(random)), with_ram(random, random_view(random))
        found = check(random_request(random, view), model, view)
        spilling += isinstance(found, Plan) and found.experts is not None
    assert spilling >= 8


def test_a_processor_alone_repacks_where_that_is_faster_or_ties() -> None:
    """Of many random clusters some leave the weights as they are, some do not; no other placement is without it."""
    random, told = Random(300), {True: 0, False: 0}
    for _ in range(300):
        model, view = random_shape(random), roomy(random, random_view(random))
        found = check(random_request(random, view), model, view)
        if not isinstance(found, Plan):
            continue
        known = repacked(view.nodes[0].devices[0])
        if known is None or len(found.stages) > 1 or found.stages[0].node != found.head:
            assert found.repacks
        else:
            told[found.repacks] += 1
            assert known.repacked_compute is not None
            assert found.repacks == (known.repacked_compute >= 0.99 * plain_compute(view))
    assert min(told.values()) > 5, told


def roomy(random: Random, view: ClusterView) -> ClusterView:
    """The cluster with one head, a processor with much memory, on a slow network."""
    first = node("ALPHA", measured(random, cpu(random.randint(60, 200) * 100 * MIB, 24 * GIB)), holds=True)
    links = tuple(link.model_copy(update={"round_trip": 0.05}) for link in view.links)
    others = (pc.model_copy(update={"holds_model": False}) for pc in view.nodes[1:])
    return view.model_copy(update={"nodes": (first, *others), "links": links})


def plain_compute(view: ClusterView) -> float:
    compute = view.nodes[0].devices[0].compute
    assert compute is not None
    return compute * (1 - 1e-9)


def with_experts(random: Random, model: ModelShape) -> ModelShape:
    experts = tuple(size * random.choice([6, 7, 7, 7]) // 8 for size in model.layer_bytes)
    facts = {"expert_count": 8, "experts_used": 2, "layer_expert_bytes": experts, "largest_expert_bytes": 10 * MIB}
    return model.model_copy(update=facts)


def with_ram(random: Random, view: ClusterView) -> ClusterView:
    nodes = []
    for pc in view.nodes:
        cards = tuple(device for device in pc.devices if not device.is_cpu)
        ram = measured(random, cpu(random.randint(50, 200) * 100 * MIB, 24 * GIB))
        nodes.append(pc.model_copy(update={"devices": (*cards, ram)}))
    return view.model_copy(update={"nodes": tuple(nodes)})


def check(request: PlanRequest, model: ModelShape, view: ClusterView) -> Plan | Refusal:
    """Against all orders of workers; where blocks differ in size, times are held to the usual one alone."""
    reference = Reference(request, model, view)
    best, shared = best_by_number(request, model, view, reference)
    allowed = allowed_by_number(request, best, shared)
    found = plan(request, model, view)
    case = (request, model, view)
    if isinstance(found, Refusal):
        assert not allowed, case
        return found
    assert allowed, case
    check_prediction(found, view, reference)
    seconds = reference.seconds(planned_times(found, view, reference))
    if not of_one_size(request, model):
        best, shared = best_by_number(request, model, view, reference, any_order=False)
        allowed = allowed_by_number(request, best, shared) or {found.pcs: seconds}
    least = min(allowed.values())
    assert seconds <= least * (1 + TIED) * (1 + CLOSE) + 1e-4, case
    fewer = [s for n, s in allowed.items() if n < found.pcs]
    assert all(s > min(least, seconds) * (1 + TIED) * (1 - CLOSE) - 1e-4 for s in fewer), case
    check_alternatives(found, request, model, view, reference)
    return found


def of_one_size(request: PlanRequest, model: ModelShape) -> bool:
    needs = demand(model, CONTEXT, request.slots, request.kv_type)
    return needs.largest_block == needs.smallest_block and len({b - a for a, b in pairwise(needs.experts)}) == 1


def check_alternatives(
    found: Plan, request: PlanRequest, model: ModelShape, view: ClusterView, reference: Reference
) -> None:
    """Each other row is what N PCs that share the blocks do at best; with an idle head only where they cannot."""
    best, shared = best_by_number(request, model, view, reference)
    assert all(each.fits == (each.pcs in best) for each in found.alternatives), (request, model, view)
    any_order, sharing = of_one_size(request, model), set(shared)
    if not any_order:
        best, shared = best_by_number(request, model, view, reference, any_order=False)
    for alternative in found.alternatives:
        told, pcs = alternative.prediction, alternative.pcs
        if told is not None and pcs != found.pcs and reference.batches == 1:
            whole = told.conversations * told.first_token + told.answer_tokens / told.decode
            least = (shared if pcs in sharing else best).get(pcs, whole)
            assert whole <= least * (1 + TIED) * (1 + ORDER) + 1e-4, (request, model, view)
            assert not any_order or whole >= least * (1 - 1e-6) - 1e-4, (request, model, view)


def check_prediction(found: Plan, view: ClusterView, reference: Reference) -> None:
    assert found.prediction is not None
    times = planned_times(found, view, reference)
    assert found.prediction.decode == pytest.approx(1 / times.step)
    assert found.prediction.first_token == pytest.approx(times.prompt)
    assert found.prediction.prefill == pytest.approx(reference.prompt / times.prompt)
    if reference.slots > 1:
        whole = reference.slots * reference.answer / reference.seconds(times)
        assert found.prediction.throughput == pytest.approx(whole)
    else:
        assert found.prediction.throughput is None
    assert found.prediction.answer == pytest.approx(times.prompt + reference.answer * times.step)
    assert found.prediction.is_measured is (found.experts is None)
