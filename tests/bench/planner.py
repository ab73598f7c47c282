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


def big_model(layer_bytes: int) -> ModelShape:
    """128 blocks, every third a tenth larger and every sixth the only one that does not slide."""
    sizes = tuple(layer_bytes + layer_bytes // 10 * (i % 3 == 0) for i in range(LAYERS))
    return ModelShape(
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
        ),
    )  # fmt: skip
    return NodeResources(
        node=NodeId(f"pc{number:02}"), name=f"PC{number:02}", holds_model=holds, engine_build="11434", devices=devices
    )


def seconds(holders: int, layer_bytes: int, **wishes: object) -> float:
    """Processor seconds of one plan, the least of five: other programs do not count."""
    model, view = big_model(layer_bytes), big_cluster(holders)
    request = PlanRequest.model_validate({"model_id": ModelId("Big")} | wishes)
    times = []
    for _ in range(ROUNDS):
        begun = process_time()
        answer = plan(request, model, view)
        times.append(process_time() - begun)
        assert isinstance(answer, Plan) == (layer_bytes < 3 * GIB)
    return min(times)


def measure() -> dict[str, float]:
    """Milliseconds of one plan each."""
    cases = {
        "20 GB, one PC holds it": (1, 160 << 20),
        "70 GB, one PC holds it": (1, 560 << 20),
        "70 GB, all twelve hold it": (PCS, 560 << 20),
        "380 GB that fit nowhere": (1, 3 * GIB),
    }
    return {f"{name}, ms": seconds(*case) * 1e3 for name, case in cases.items()}
