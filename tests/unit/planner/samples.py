"""Small real records for planner tests: models, devices, nodes, clusters."""

from app.schema.model import ModelShape
from app.schema.plan import CPU_DEVICE, ClusterView, DeviceResources, NodeResources, PlanRequest
from app.schema.record import ModelId, NodeId

MIB = 1 << 20
GIB = 1 << 30
MODEL = ModelId("Test-8B")


def shape(layer_bytes: tuple[int, ...], **facts: object) -> ModelShape:
    """A model without attention or buffers unless the facts say otherwise, so that sums stay readable."""
    known: dict[str, object] = {
        "architecture": "llama",
        "parameters": sum(layer_bytes),
        "layer_bytes": layer_bytes,
        "embedding_bytes": 0,
        "output_bytes": 0,
        "tied_embeddings": False,
        "largest_tensor_bytes": max(layer_bytes, default=0),
        "tensor_count": len(layer_bytes),
        "context_length": 32768,
    }
    return ModelShape.model_validate(known | facts)


def gpu(free: int, total: int | None = None, device: str = "CUDA0") -> DeviceResources:
    return DeviceResources(
        device=device, name="Card", total_bytes=free if total is None else total, free_bytes=free, is_cpu=False
    )


def cpu(free: int, total: int | None = None) -> DeviceResources:
    return DeviceResources(
        device=CPU_DEVICE, name="Processor", total_bytes=free if total is None else total, free_bytes=free, is_cpu=True
    )


def node(
    name: str,
    *devices: DeviceResources,
    holds: bool = False,
    build: str | None = "11434",
    problem: str | None = None,
) -> NodeResources:
    """A node whose id is its name in lower case."""
    return NodeResources(
        node=NodeId(name.lower()), name=name, holds_model=holds, engine_build=build, devices=devices, problem=problem
    )


def cluster(*nodes: NodeResources, this: str | None = None) -> ClusterView:
    """A cluster seen from the first node, or from the one named."""
    return ClusterView(this_node=NodeId((this or nodes[0].name).lower()), nodes=nodes)


def ask(**wishes: object) -> PlanRequest:
    return PlanRequest.model_validate({"model_id": MODEL} | wishes)
