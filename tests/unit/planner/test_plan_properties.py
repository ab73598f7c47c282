"""Random small clusters of unknown speed: the answer against all device lists and all contiguous splits."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.planner.memory import Demand, demand, reserve_bytes
from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, DeviceResources, KvType, NodeResources, Plan, PlanRequest, Refusal, Role
from tests.unit.planner.brute_force import orders, spilled_choices
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape

CONTEXT = 1024

units = st.integers(0, 60).map(lambda n: n * 100 * MIB)
blocks = st.integers(1, 12).map(lambda n: n * 100 * MIB)


@st.composite
def shapes(draw: st.DrawFn) -> ModelShape:
    """Up to six blocks of unequal size, with buffers and an output layer that matter beside them."""
    layers = draw(
        st.one_of(st.lists(blocks, min_size=1, max_size=6), st.builds(lambda b, n: [b] * n, blocks, st.integers(1, 6)))
    )
    embedding, output = draw(st.integers(0, 4)) * 100 * MIB, draw(st.integers(0, 8)) * 100 * MIB
    is_tied = draw(st.booleans())
    facts: dict[str, object] = {"key_widths": (512,) * len(layers), "value_widths": (512,) * len(layers)}
    if draw(st.booleans()):
        facts |= {"expert_count": 8, "experts_used": 2, "layer_expert_bytes": tuple(size * 7 // 8 for size in layers)}
    return shape(
        tuple(layers),
        output_bytes=output + (embedding if is_tied else 0),
        embedding_bytes=embedding,
        tied_embeddings=is_tied,
        embedding_length=draw(st.sampled_from([0, 4096, 16384])),
        vocabulary=draw(st.sampled_from([0, 150000])),
        feed_forward_length=draw(st.sampled_from([0, 20000])),
        **facts,
    )


@st.composite
def nodes(draw: st.DrawFn, name: str) -> NodeResources:
    devices: list[DeviceResources] = [
        gpu(draw(units), total=8 * GIB, device=f"CUDA{i}") for i in range(draw(st.integers(0, 2)))
    ]
    if draw(st.booleans()) or not devices:
        devices.append(cpu(draw(units), total=16 * GIB))
    build = draw(st.sampled_from(["11434", "11434", "11434", "7827", None]))
    return node(name, *devices, holds=draw(st.booleans()), build=build)


@st.composite
def clusters(draw: st.DrawFn, most: int = 4) -> ClusterView:
    names = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"][: draw(st.integers(1, most))]
    return cluster(*(draw(nodes(name)) for name in names))


requests = st.builds(
    ask,
    context=st.just(CONTEXT),
    pcs=st.one_of(st.none(), st.integers(1, 3)),
    min_pcs=st.integers(1, 2),
    kv_type=st.sampled_from([KvType.F16, KvType.Q8_0]),
)

Device = tuple[NodeResources, DeviceResources]


def offered(pc: NodeResources, processors: bool) -> list[DeviceResources]:
    """A PC's devices with room above the reserve, the processor first and only where the rule allows it."""
    able = [device for device in pc.devices if device.free_bytes > reserve_bytes(device)]
    gpus = [device for device in able if not device.is_cpu]
    has_gpu = any(not device.is_cpu for device in pc.devices)
    return [device for device in able if device.is_cpu and (processors or not has_gpu)] + gpus


def rank(pc: NodeResources) -> tuple[bool, int, str]:
    preferred = offered(pc, processors=False)
    gpu_room = any(not device.is_cpu for device in preferred)
    return (not gpu_room, -sum(d.free_bytes - reserve_bytes(d) for d in preferred), pc.node)


def ordered(head: NodeResources, workers: Sequence[NodeResources], processors: bool) -> list[Device]:
    own = [(head, device) for device in offered(head, processors)]
    others = [(worker, device) for worker in reversed(workers) for device in offered(worker, processors)]
    return [d for d in own if d[1].is_cpu] + others + [d for d in own if not d[1].is_cpu]


def budget(needs: Demand, head: NodeResources, device: Device) -> int:
    own = device[0] is head and device[1].is_cpu
    return device[1].free_bytes - reserve_bytes(device[1]) - (needs.head_ram_bytes if own else 0)


def list_holds(needs: Demand, head: NodeResources, devices: Sequence[Device], processors: bool) -> bool:
    """Whether some contiguous split over exactly these devices, at least one block each, stays within every budget.

    With `processors`, experts may go to the head's RAM.
    """
    pipelined = len(devices) > 1 and not (devices[0][0] is head and devices[0][1].is_cpu)
    budgets = [budget(needs, head, device) for device in devices]
    last = len(devices) - 1
    alone = last == 0 and devices[0][0] is head and devices[0][1].is_cpu
    output = needs.output_bytes - (needs.tied_bytes if alone else 0)
    for cuts in combinations(range(1, needs.layers), last):
        ends = (0, *cuts, needs.layers)
        if all(
            needs.prefix[b]
            - needs.prefix[a]
            + needs.buffers.of(first=i == 0, last=i == last, pipelined=pipelined)
            + (output if i == last else 0)
            <= budgets[i]
            for i, (a, b) in enumerate(pairwise(ends))
        ):
            return True
        if processors and needs.has_experts and any(spilled_choices(needs, head, devices, ends)):
            return True
    return False


def set_holds(needs: Demand, head: NodeResources, workers: Sequence[NodeResources], processors: bool) -> bool:
    """Whether any list of these PCs' devices that uses every worker holds the model, in any order of the workers."""
    devices = ordered(head, workers, processors)
    for count in range(1, min(len(devices), needs.layers) + 1):
        for chosen in combinations(devices, count):
            used = {pc.node for pc, _ in chosen}
            if not all(worker.node in used for worker in workers):
                continue
            ours = [device for device in chosen if device[0] is not head]
            begin = chosen.index(ours[0]) if ours else 0
            for order in orders(ours):
                moved = (*chosen[:begin], *order, *chosen[begin + len(ours) :])
                if list_holds(needs, head, moved, processors):
                    return True
    return False


def heads_of(view: ClusterView) -> list[NodeResources]:
    able = [pc for pc in view.nodes if pc.holds_model and pc.engine_build]
    return sorted(able, key=lambda pc: (pc.node != view.this_node, rank(pc)))


def answers(request: PlanRequest, model: ModelShape, view: ClusterView) -> Iterator[list[str]]:
    """Every set of PCs (head first) that can hold the model, in the documented order of preference."""
    needs = demand(model, CONTEXT, request.slots, request.kv_type)
    numbers = [request.pcs] if request.pcs else range(request.min_pcs, len(view.nodes) + 1)
    for processors in (False, True):
        for number in numbers:
            for head in heads_of(view):
                able = [
                    pc
                    for pc in view.nodes
                    if pc is not head and pc.engine_build == head.engine_build and offered(pc, processors=True)
                ]
                for workers in combinations(sorted(able, key=rank), number - 1):
                    if set_holds(needs, head, workers, processors):
                        yield [pc.node for pc in (head, *workers)]


@settings(max_examples=300, deadline=None)
@given(requests, shapes(), clusters())
def test_nothing_measured_means_fewest_pcs_then_this_head(
    request: PlanRequest, model: ModelShape, view: ClusterView
) -> None:
    found = plan(request, model, view)
    able = list(answers(request, model, view))
    if isinstance(found, Refusal):
        assert not able
    else:
        assert able
        assert found.prediction is None
        used = {stage.node for stage in found.stages} | {found.head}
        # Who asks for several PCs wants them to hold layers: another head, or one PC more, may be needed for that.
        if request.pcs is None and request.min_pcs == 1:
            assert (found.head, len(used)) == (able[0][0], len(able[0]))
        assert used in [set(nodes) for nodes in able]


@settings(max_examples=200, deadline=None)
@given(requests, shapes(), clusters())
def test_every_block_lies_once_in_order_within_budget(
    request: PlanRequest, model: ModelShape, view: ClusterView
) -> None:
    found = plan(request, model, view)
    if isinstance(found, Refusal):
        return
    assert [i for s in found.stages for i in range(s.first_layer, s.last_layer + 1)] == list(range(model.layers))
    assert [s.holds_output for s in found.stages] == [False] * (len(found.stages) - 1) + [True]
    experts = found.experts
    placed = sum(s.weight_bytes for s in found.stages) + (experts.weight_bytes if experts else 0)
    alone = [s.device for s in found.stages] == ["CPU"] and found.stages[0].role is Role.HEAD
    once = model.embedding_bytes if alone and model.tied_embeddings else 0
    assert placed == sum(model.layer_bytes) + model.output_bytes - once
    devices = {(pc.node, device.device): device for pc in view.nodes for device in pc.devices}
    for stage in found.stages:
        device = devices[stage.node, stage.device]
        beside = found.head_ram_bytes if device.is_cpu and stage.role is Role.HEAD else 0
        beside += experts.total_bytes if experts and device.is_cpu and stage.role is Role.HEAD else 0
        assert stage.total_bytes + beside + reserve_bytes(device) <= stage.free_bytes == device.free_bytes
        assert (stage.role is Role.HEAD) == (stage.node == found.head)
    if experts:
        processor = devices[found.head, "CPU"]
        own = {
            i
            for s in found.stages
            if s.role is Role.HEAD and s.device != "CPU"
            for i in range(s.first_layer, s.last_layer + 1)
        }
        assert experts.layers
        assert set(experts.layers) <= own
        assert experts.weight_bytes == sum(model.layer_expert_bytes[i] for i in experts.layers)
        assert experts.total_bytes + found.head_ram_bytes + reserve_bytes(processor) <= processor.free_bytes


def engine_layout(layers: int, gpu_layers: int, tensor_split: Sequence[int]) -> list[int]:
    """Device of each block and of the output layer by llama.cpp's rule in 32-bit floats; -1 is the processor.

    Source: `llama_model_base::load_tensors` of llama.cpp, the part that computes the split points.
    """
    start = max(layers + 1 - gpu_layers, 0)
    active = min(gpu_layers, layers + 1)
    points = array("f")
    for count in tensor_split:
        points.append((points[-1] if points else 0.0) + count)
    whole = points[-1] if points else 1.0
    points = array("f", [point / whole for point in points])

    def device(layer: int) -> int:
        if layer < start or layer - start >= active:
            return -1
        return bisect_right(points, array("f", [(layer - start) / active])[0])

    return [device(layer) for layer in range(layers + 1)]


def predicted_layout(found: Plan) -> list[int]:
    """The same from the stages."""
    layout, next_device = [], 0
    for stage in found.stages:
        own = stage.device == "CPU" and stage.role is Role.HEAD
        layout += [-1 if own else next_device] * (stage.layers + stage.holds_output)
        next_device += not own
    return layout


@settings(max_examples=200, deadline=None)
@given(requests, shapes(), clusters())
def test_the_engine_reproduces_the_plan(request: PlanRequest, model: ModelShape, view: ClusterView) -> None:
    found = plan(request, model, view)
    if isinstance(found, Plan):
        assert sum(found.tensor_split) == found.gpu_layers
        assert engine_layout(found.layers, found.gpu_layers, found.tensor_split) == predicted_layout(found)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=15), st.integers(0, 40))
def test_layer_counts_survive_the_engines_floats(counts: list[int], on_processor: int) -> None:
    counts[-1] += 1  # the output layer
    layout = engine_layout(on_processor + sum(counts) - 1, sum(counts), counts)
    assert layout == [-1] * on_processor + [i for i, count in enumerate(counts) for _ in range(count)]


@settings(max_examples=100, deadline=None)
@given(requests, shapes(), clusters(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(
    request: PlanRequest, model: ModelShape, view: ClusterView, random: object
) -> None:
    shuffled = list(view.nodes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert plan(request, model, view.model_copy(update={"nodes": tuple(shuffled)})) == plan(request, model, view)


@settings(max_examples=200, deadline=None)
@given(requests, shapes(), clusters())
def test_every_pc_is_named_and_numbers_are_sound(request: PlanRequest, model: ModelShape, view: ClusterView) -> None:
    found = plan(request, model, view)
    reasons = found.left_out if isinstance(found, Plan) else found.reasons
    assert all(reason.node_name in reason.sentence for reason in reasons)
    assert all((a.short_bytes == 0 or not a.fits) and a.pcs == i for i, a in enumerate(found.alternatives, 1))
    told = [reason.sentence for reason in reasons] + [a.sentence for a in found.alternatives]
    if isinstance(found, Plan):
        used = {stage.node for stage in found.stages} | {found.head}
        assert used | {reason.node for reason in reasons} == {pc.node for pc in view.nodes}
        assert not used & {reason.node for reason in reasons}
        holding = {(stage.node, stage.device) for stage in found.stages}
        holding |= {(found.head, "CPU")} if found.experts else set()
        spare = {(reason.node, reason.device) for reason in found.spare_devices}
        assert not spare & holding
        assert spare | holding == {(pc.node, d.device) for pc in view.nodes if pc.node in used for d in pc.devices}
        told += [reason.sentence for reason in found.spare_devices]
    else:
        told += [found.sentence, found.hint]
        if found.code == "does_not_fit" and request.pcs is None:
            assert all(pc.name in " ".join(told) for pc in view.nodes)
    assert not [text for text in told if re.search(r"nan|None|\d-\d|[ (]-\d", text)]
    assert all(text and text[-1] == "." for text in told)


@settings(max_examples=60, deadline=None)
@given(shapes(), clusters(most=3))
def test_the_largest_context_is_exact(model: ModelShape, view: ClusterView) -> None:
    model = model.model_copy(update={"key_widths": (65536,) * model.layers})
    found = plan(ask(context=16384), model, view)
    if isinstance(found, Refusal) and found.code == "does_not_fit":
        largest = found.largest_context
        for context in range(512, 16384, 512):
            fits = isinstance(plan(ask(context=context), model, view), Plan)
            assert fits == (largest is not None and context <= largest), context
