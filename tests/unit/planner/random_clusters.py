"""Small random models, clusters and wishes, of which every placement can be tried."""

from collections.abc import Sequence
from itertools import combinations
from random import Random

from app.schema.model import ModelShape
from app.schema.plan import ClusterView, DeviceResources, LinkMeasure, NodeResources, PlanRequest, Preference
from tests.unit.planner.samples import GIB, MIB, ask, cpu, gpu, node, shape

CONTEXT = 2048


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
    if count % 2:
        facts["last_feed_forward_bytes"] = sizes[-1] * 7 // 8
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


def roomy(random: Random, view: ClusterView) -> ClusterView:
    """The cluster with one head, a processor with much memory, on a slow network."""
    first = node("ALPHA", measured(random, cpu(random.randint(60, 200) * 100 * MIB, 24 * GIB)), holds=True)
    links = tuple(link.model_copy(update={"round_trip": 0.05}) for link in view.links)
    others = (pc.model_copy(update={"holds_model": False}) for pc in view.nodes[1:])
    return view.model_copy(update={"nodes": (first, *others), "links": links})


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
