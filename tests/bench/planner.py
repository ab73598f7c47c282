"""How long planning takes for a big cluster: 12 PCs with 24 devices and 128 unequal layers."""

from random import Random
from time import process_time

from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import CPU_DEVICE, ClusterView, DeviceResources, LinkMeasure, NodeResources, Plan, PlanRequest
from app.schema.record import ModelId, NodeId

GIB = 1 << 30
PCS = 12
LAYERS = 128
ROUNDS = 5


def big_model(layer_bytes: int, *, experts: bool = False) -> ModelShape:
    """128 blocks, every third a tenth larger and every sixth the only one that does not slide; with experts, nine
    tenths of each are those of a mixture, all but the first block's.
    """
    sizes = tuple(layer_bytes + layer_bytes // 10 * (i % 3 == 0) for i in range(LAYERS))
    mixture = {
        "expert_count": 128,
        "experts_used": 8,
        "layer_expert_bytes": (0, *(size * 9 // 10 for size in sizes[1:])),
        "largest_expert_bytes": layer_bytes // 3,
        "expert_feed_forward_length": 2048,
    }
    return ModelShape(
        **(mixture if experts else {}),
        architecture="llama",
        parameters=sum(sizes) * 16 // 9,
        vocabulary=152064,
        context_length=131072,
        embedding_length=8192,
        feed_forward_length=28672,
        layer_bytes=sizes,
        embedding_bytes=700 << 20,
        output_bytes=1 << 30,
        tied_embeddings=False,
        largest_tensor_bytes=1 << 30,
        tensor_count=LAYERS * 9,
        key_widths=(1024,) * LAYERS,
        value_widths=(1024,) * LAYERS,
        sliding_window=4096,
        sliding_layers=tuple(i % 6 != 5 for i in range(LAYERS)),
    )


def big_cluster(holders: int, seed: int = 1) -> ClusterView:
    """12 PCs with a card and a processor each, all measured; the first `holders` hold the file."""
    random = Random(seed)
    nodes = [_node(random, number, number < holders) for number in range(PCS)]
    links = [
        LinkMeasure(a=a.node, b=b.node, round_trip=random.uniform(2e-4, 8e-3), throughput=random.uniform(2e7, 1.2e9))
        for i, a in enumerate(nodes)
        for b in nodes[:i]
    ]
    return ClusterView(this_node=nodes[0].node, nodes=tuple(nodes), links=tuple(links))


def _node(random: Random, number: int, holds: bool) -> NodeResources:
    card, ram = random.choice([8, 12, 16, 24]) * GIB, random.choice([16, 32, 64]) * GIB
    bandwidth, slow = random.uniform(2e11, 9e11), random.uniform(2e10, 8e10)
    devices = (
        DeviceResources(
            device="CUDA0", name="Card", total_bytes=card, free_bytes=card * 9 // 10, is_cpu=False,
            bandwidth=bandwidth, compute=bandwidth * random.uniform(30, 90),
        ),
        DeviceResources(
            device=CPU_DEVICE, name="Processor", total_bytes=ram, free_bytes=ram * 2 // 3, is_cpu=True,
            bandwidth=slow, compute=slow * random.uniform(5, 15),
            repacked_bandwidth=slow, repacked_compute=slow * 10,
        ),
    )  # fmt: skip
    return NodeResources(
        node=NodeId(f"pc{number:02}"), name=f"PC{number:02}", holds_model=holds, engine_build="11434", devices=devices
    )


def seconds(holders: int, layer_bytes: int, *, experts: bool = False, **wishes: object) -> float:
    """Processor seconds of one plan, the least of five: other programs do not count."""
    model, view = big_model(layer_bytes, experts=experts), big_cluster(holders)
    request = PlanRequest.model_validate({"model_id": ModelId("Big")} | wishes)
    times = []
    for _ in range(ROUNDS):
        begun = process_time()
        answer = plan(request, model, view)
        times.append(process_time() - begun)
        assert isinstance(answer, Plan) == (layer_bytes < 3 * GIB)
    return min(times)


WISHES: dict[str, dict[str, object]] = {
    "a usual exchange": {},
    "a prompt of 3 500 tokens": {"prompt_tokens": 3500},
    "a prompt of 30 000": {"prompt_tokens": 30000, "context": 32768},
    "four conversations": {"slots": 4, "context": 16384},
    "three PCs": {"pcs": 3},
    "at least three PCs": {"min_pcs": 3},
}


def measure() -> dict[str, float]:
    """Milliseconds of one plan: for each wish the slowest over sizes, kinds of model, and PCs that hold the file."""
    sizes = {"20 GB": 160 << 20, "70 GB": 560 << 20, "140 GB": 1100 << 20}
    found = {}
    for name, wish in WISHES.items():
        worst = max(
            (seconds(holders, size, experts=experts, **wish), f"{label}{' of experts' * experts}, {holders} hold it")
            for holders in (1, 3, 4, PCS)
            for label, size in sizes.items()
            for experts in (False, True)
        )
        found[f"{name}, slowest ({worst[1]}), ms"] = worst[0] * 1e3
    found["380 GB that fit nowhere, ms"] = seconds(PCS, 3 * GIB) * 1e3
    return found
