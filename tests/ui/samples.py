"""Statuses as a node would tell them, for tests of what the tray makes of them."""

from app.schema.engine import EngineBuild, EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus, Phase, PhaseName, PhaseState, Progress, Unit
from app.schema.node import NodeInfo, Status
from app.schema.plan import KvType, Plan, Role, Stage
from app.schema.record import InstanceId, ModelId, NodeId

NODE = NodeId("a" * 64)
BUILD = EngineBuild(
    server="llama-server",
    worker=None,
    source="package",
    build=11434,
    commit="c0ffee",
    version_text="",
    flags=frozenset(),
)
PROBLEM = ErrorInfo(
    code="out_of_memory",
    sentence="LIVING ROOM is 2.1 GB short for 16 384 tokens of context.",
    hint="It fits with 4 096, or with the Q3_K_M file.",
)


def plan(pcs: int = 1, model: str = "caravan-demo") -> Plan:
    nodes = [NodeId(f"{number:064x}") for number in range(1, pcs)] + [NODE]
    stages = tuple(
        Stage(
            node=node,
            node_name=f"PC {index}",
            device="CPU",
            role=Role.HEAD if node == NODE else Role.WORKER,
            first_layer=index,
            last_layer=index,
            holds_output=node == NODE,
            weight_bytes=1,
            kv_bytes=1,
            compute_bytes=1,
            free_bytes=10,
        )
        for index, node in enumerate(nodes)
    )
    return Plan(
        model_id=ModelId(model),
        architecture="llama",
        layers=pcs,
        context=4096,
        slots=1,
        kv_type=KvType.F16,
        head=NODE,
        stages=stages,
        gpu_layers=0,
        tensor_split=(),
        reserve_bytes=0,
        head_ram_bytes=0,
    )


def instance(
    state: InstanceState,
    *,
    pcs: int = 1,
    model: str = "caravan-demo",
    name: str = "one",
    created_at: float = 100.0,
    phases: tuple[Phase, ...] = (),
    error: ErrorInfo | None = None,
    ready_at: float | None = None,
) -> InstanceStatus:
    return InstanceStatus(
        id=InstanceId(name),
        model_id=ModelId(model),
        head=NODE,
        state=state,
        plan=plan(pcs, model),
        phases=phases,
        error=error,
        created_at=created_at,
        ready_at=ready_at,
    )


def loading(done: int, total: int, state: PhaseState = PhaseState.ACTIVE) -> tuple[Phase, ...]:
    progress = Progress(done=done, total=total, unit=Unit.BYTES)
    return (Phase(name=PhaseName.TENSORS, state=state, progress=progress),)


def status(
    *instances: InstanceStatus, engine: EngineStatus | None = None, node_name: str = "WORKSHOP", **more: object
) -> Status:
    node = NodeInfo(id=NODE, name=node_name, version="1", started_at=1.0)
    found = engine if engine is not None else EngineStatus(build=BUILD)
    return Status.model_validate({"node": node, "engine": found, "instances": instances, **more})
