"""A plan over three nodes, as several tests need it."""

from app.schema.plan import KvType, Plan, Role, Stage
from app.schema.record import ModelId, NodeId

MEBIBYTE = 1 << 20
HEAD = NodeId("h" * 64)


def stage(node: str, device: str, first: int, last: int, output: bool = False) -> Stage:
    """A stage of 10 MiB a layer on a device with 1 GiB free."""
    return Stage(
        node=NodeId(node * 64),
        node_name={"h": "HEAD", "a": "ATTIC", "b": "BARN"}[node],
        device=device,
        role=Role.HEAD if node == "h" else Role.WORKER,
        first_layer=first,
        last_layer=last,
        holds_output=output,
        weight_bytes=(last - first + 1) * 10 * MEBIBYTE,
        kv_bytes=MEBIBYTE,
        compute_bytes=MEBIBYTE,
        free_bytes=1024 * MEBIBYTE,
    )


def plan(*stages: Stage) -> Plan:
    """A plan of these stages; by default the head's processor, then two workers."""
    chosen = stages or (stage("h", "CPU", 0, 3), stage("a", "CPU", 4, 7), stage("b", "CUDA0", 8, 11, output=True))
    return Plan(
        model_id=ModelId("tiny"),
        architecture="llama",
        layers=12,
        context=4096,
        slots=1,
        kv_type=KvType.F16,
        head=HEAD,
        stages=chosen,
        gpu_layers=9,
        tensor_split=(4, 5),
        reserve_bytes=0,
        head_ram_bytes=5 * MEBIBYTE,
    )
