"""The order of workers: refused only when no order holds the model, and of all orders a fast one is planned."""

from collections.abc import Iterator, Sequence
from itertools import chain, permutations, product
from random import Random

import pytest

from app.planner.memory import Demand, demand, reserve_bytes
from app.planner.orders import turned
from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, KvType, NodeResources, Plan, Refusal
from tests.unit.planner.brute_force import Device, Reference, best_by_number, offered
from tests.unit.planner.random_clusters import CONTEXT, measured, random_shape, random_view
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape
from tests.unit.planner.test_fastest import check


def of_equal_blocks(random: Random, *, experts: bool = True) -> ModelShape:
    model = random_shape(random)
    sizes = (model.layer_bytes[0],) * model.layers
    mixture = tuple(size * 3 // 4 for size in sizes) if experts and model.layer_expert_bytes else ()
    return model.model_copy(update={"layer_bytes": sizes, "sliding_layers": (), "layer_expert_bytes": mixture})


def behind_a_processor(random: Random) -> ClusterView:
    """A head without a card: a worker has the output layer, which takes the room of blocks there."""
    while len((view := random_view(random)).nodes) < 3:
        continue
    head = measured(random, cpu(random.randint(5, 40) * 100 * MIB, 24 * GIB))
    first = node("ALPHA", head, holds=True)
    others = [pc.model_copy(update={"holds_model": False, "engine_build": first.engine_build}) for pc in view.nodes[1:]]
    return view.model_copy(update={"nodes": (first, *others), "this_node": first.node})


def test_no_other_order_of_workers_is_faster() -> None:
    random, faster, held = Random(201), 0, 0
    for _ in range(300):
        model, view, request = of_equal_blocks(random), behind_a_processor(random), ask(context=CONTEXT)
        if isinstance(check(request, model, view), Refusal):
            continue
        reference = Reference(request, model, view)
        usual, _ = best_by_number(request, model, view, reference, any_order=False)
        best, _ = best_by_number(request, model, view, reference)
        held += not usual
        faster += bool(usual) and min(best.values()) < min(usual.values()) * (1 - 1e-6)
    assert faster
    assert held


@pytest.mark.parametrize("is_measured", [True, False])
def test_refused_only_when_no_order_of_workers_holds_it(is_measured: bool) -> None:
    random, refused, held = Random(300 + is_measured), 0, 0
    for _ in range(400):
        model, view = of_equal_blocks(random, experts=False), four_pcs(random, is_measured=is_measured)
        pcs = random.choice([None, 2, 3, 4])
        found = plan(ask(context=CONTEXT, pcs=pcs), model, view)
        numbers = set(numbers_that_hold(model, view))
        assert isinstance(found, Plan) == (bool(numbers) if pcs is None else pcs in numbers), (model, view)
        assert all(each.fits == (each.pcs in numbers) for each in found.alternatives), (model, view)
        refused += not numbers
        held += bool(numbers)
    assert refused > 40
    assert held > 40


def four_pcs(random: Random, *, is_measured: bool) -> ClusterView:
    def pc(name: str, cards: int) -> NodeResources:
        devices = [gpu(random.randint(0, 40) * 100 * MIB, 8 * GIB, f"CUDA{i}") for i in range(cards)]
        devices.append(cpu(random.randint(0, 40) * 100 * MIB, 16 * GIB))
        return node(name, *(measured(random, each) if is_measured else each for each in devices), holds=name == "ALPHA")

    names = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"]
    return cluster(*(pc(name, random.choice([0, 1]) if name != "DELTA" else 0) for name in names))


def numbers_that_hold(model: ModelShape, view: ClusterView) -> Iterator[int]:
    """The numbers of PCs on which some choice and order of devices holds a model whose blocks have one size."""
    needs = demand(model, CONTEXT, 1, KvType.F16)
    head, *others = view.nodes
    for devices in lists(head, [pc for pc in others if offered(pc)]):
        counts = blocks_held(needs, head, devices)
        if min(counts) > 0 and sum(counts) >= needs.layers >= len(counts):
            yield len({head.node, *(pc.node for pc, _ in devices)})


def lists(head: NodeResources, workers: Sequence[NodeResources]) -> Iterator[Sequence[Device]]:
    """Every list of devices: the head's processor ahead, its cards behind, those of each worker side by side."""
    own = [(head, device) for device in offered(head)]
    ahead, behind = [d for d in own if d[1].is_cpu], [d for d in own if not d[1].is_cpu]
    for count in range(len(workers) + 1):
        for order in permutations(workers, count):
            groups = [some([(pc, device) for device in offered(pc)]) for pc in order]
            for first, middle, last in product([[], ahead], product(*groups), [[], behind]):
                if devices := [*first, *chain(*middle), *last]:
                    yield devices


def some(devices: Sequence[Device]) -> list[Sequence[Device]]:
    """One or more of them in every order."""
    return [order for count in range(1, len(devices) + 1) for order in permutations(devices, count)]


def blocks_held(needs: Demand, head: NodeResources, devices: Sequence[Device]) -> list[int]:
    pipelined = len(devices) > 1 and not (devices[0][0] is head and devices[0][1].is_cpu)
    found = []
    for i, (pc, device) in enumerate(devices):
        place = {"first": i == 0, "last": i == len(devices) - 1, "pipelined": pipelined}
        room = device.free_bytes - reserve_bytes(device) - needs.buffers.of(**place)
        room -= needs.output_bytes if place["last"] else 0
        room -= needs.head_ram_bytes if pc is head and device.is_cpu else 0
        found.append(max(room // needs.largest_block, 0))
    return found


def test_the_output_layer_moves_to_where_it_takes_no_block() -> None:
    """Blocks of 1 GB, an output layer of 0.6: one worker has 2.7 GB for them, the other 2.1."""
    model = shape((GIB,) * 4, output_bytes=600 * MIB)
    workers = [node(name, gpu(int(size * GIB) + 512 * MIB)) for name, size in [("BRAVO", 2.1), ("CHARLIE", 2.7)]]
    for order in permutations(workers):
        found = plan(ask(context=512), model, cluster(node("ALPHA", holds=True), *order))
        assert isinstance(found, Plan)
        assert [(stage.node_name, stage.layers) for stage in found.stages] == [("BRAVO", 2), ("CHARLIE", 2)]


def test_groups_move_whole() -> None:
    a, b, c = object(), object(), object()
    assert turned([[a, b], [c]], b, None) == ((b, a), (c,))
    assert turned([[a, b], [c]], c, a) == ((c,), (b, a))
    assert turned([[a, b], [c]], a, b) is None
    assert turned([[a, b]], b, a) == ((b, a),)


def test_the_largest_context_counts_every_order() -> None:
    model = shape((GIB,) * 4, output_bytes=600 * MIB, key_widths=(4096,) * 4, value_widths=(4096,) * 4)
    workers = [node(name, gpu(int(size * GIB) + 512 * MIB)) for name, size in [("BRAVO", 2.2), ("CHARLIE", 2.8)]]
    found = plan(ask(context=32768), model, cluster(node("ALPHA", holds=True), *workers))
    assert isinstance(found, Refusal)
    assert found.largest_context is not None
    again = [
        plan(ask(context=found.largest_context + more), model, cluster(node("ALPHA", holds=True), *workers))
        for more in (0, 256)
    ]
    assert [type(each) for each in again] == [Plan, Refusal]
