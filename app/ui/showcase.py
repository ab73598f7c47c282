"""Clusters that do not exist, for screenshots and for tests of how windows look: one PC, a home of three, 32 PCs."""

from app.schema.cluster import InvitationStatus, MemberInfo
from app.schema.engine import EngineBuild, EngineStatus
from app.schema.hardware import (
    Accelerator,
    AcceleratorKind,
    AcceleratorSample,
    HardwareSnapshot,
    LoadSample,
    NetworkInterface,
    Processor,
)
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import HealthWarning, NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import KvType, LinkMeasure, Plan, Prediction, Role, Stage
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.settings import Settings
from app.schema.sighting import Sighting

GB = 1 << 30
NOW = 1_760_000_000.0

BUILD = EngineBuild(
    server="llama-server",
    worker="ggml-rpc-server",
    source="installed",
    build=11434,
    commit="c0ffee",
    version_text="version: 11434 (c0ffee)",
    flags=frozenset(),
)

LONG_NAME = "The quiet PC in the attic that nobody is allowed to turn off"
CHINESE_NAME = "客厅里的游戏电脑"


def node_id(number: int) -> NodeId:
    """The identity of the `number`-th PC."""
    return NodeId(f"{number:064x}")


def hardware(name: str, gpus: tuple[tuple[str, int], ...], ram: int, address: str, adapter: str) -> HardwareSnapshot:
    """A PC with these GPUs (name, GB), `ram` GB and one adapter."""
    return HardwareSnapshot(
        hostname=name,
        operating_system="Windows 11",
        architecture="x86_64",
        processor=Processor(name="AMD Ryzen 7 5800X", physical_cores=8, logical_cores=16),
        ram_bytes=ram * GB,
        accelerators=tuple(
            Accelerator(
                key=f"GPU-{index}",
                name=gpu,
                kind=AcceleratorKind.CUDA,
                total_bytes=size * GB,
                engine_device=f"CUDA{index}",
            )
            for index, (gpu, size) in enumerate(gpus)
        ),
        interfaces=(NetworkInterface(name=adapter, addresses=(address,), is_up=True, speed=10**9),),
    )


def load(used: tuple[float, ...], warmth: float, ram_used: float, ram: int) -> LoadSample:
    """How busy a PC is: GB used per GPU, degrees, GB of RAM used and there."""
    return LoadSample(
        at=NOW,
        cpu_load=0.2,
        ram_free_bytes=round((ram - ram_used) * GB),
        ram_used_bytes=round(ram_used * GB),
        accelerators=tuple(
            AcceleratorSample(key=f"GPU-{index}", used_bytes=round(size * GB), utilization=0.6, temperature=warmth)
            for index, size in enumerate(used)
        ),
    )


def member(number: int, name: str) -> MemberInfo:
    """A PC of the cluster."""
    return MemberInfo(node=node_id(number), name=name, short_name=f"ABCDEF{number % 10}-HIJKLMN")


def peer(
    number: int,
    name: str,
    gpus: tuple[tuple[str, int], ...],
    used: tuple[float, ...],
    *,
    ram: int = 32,
    warmth: float = 48.0,
    adapter: str = "Ethernet",
    round_trip: float | None = 0.0004,
    throughput: float | None = 117e6,
    back: float | None = None,
    reachability: Reachability = Reachability.ALIVE,
    problem: str | None = None,
) -> Peer:
    """Another PC as this one sees it."""
    address = f"192.168.1.{number}"
    report = PeerReport(
        node=NodeInfo(id=node_id(number), name=name, version="1", started_at=NOW),
        hardware=hardware(name, gpus, ram, address, adapter),
        load=load(used, warmth, ram * 0.3, ram),
        engine=EngineStatus(build=BUILD),
        links=(LinkMeasure(a=node_id(number), b=node_id(1), throughput=back),),
    )
    is_there = reachability is not Reachability.LOST
    return Peer(
        node=node_id(number),
        name=name,
        reachability=reachability,
        address=f"{address}:52416" if is_there else None,
        report=report,
        round_trip=round_trip if is_there else None,
        throughput=throughput,
        problem=problem,
    )


def stage(number: int, name: str, device: str, first: int, last: int, sizes: tuple[float, float, float]) -> Stage:
    """Layers `first`..`last` on a device; sizes are GB of weights, KV cache and buffers. PC 1 is the head."""
    weights, kv, buffers = (round(size * GB) for size in sizes)
    return Stage(
        node=node_id(number),
        node_name=name,
        device=device,
        role=Role.HEAD if number == 1 else Role.WORKER,
        first_layer=first,
        last_layer=last,
        holds_output=number == 1,
        weight_bytes=weights,
        kv_bytes=kv,
        compute_bytes=buffers,
        free_bytes=24 * GB,
    )


def plan(model: str, stages: tuple[Stage, ...], decode: float = 21.0) -> Plan:
    """A plan of these stages."""
    layers = sum(each.layers for each in stages)
    return Plan(
        model_id=ModelId(model),
        architecture="qwen3",
        layers=layers,
        context=16384,
        slots=1,
        kv_type=KvType.F16,
        head=node_id(1),
        stages=stages,
        gpu_layers=layers + 1,
        tensor_split=tuple(each.layers for each in stages),
        reserve_bytes=GB // 2,
        head_ram_bytes=GB // 2,
        prediction=Prediction(
            prompt_tokens=1000, answer_tokens=300, decode=decode, prefill=700, first_token=1.4, answer=16, load=9
        ),
    )


def running(made: Plan, state: InstanceState = InstanceState.READY) -> InstanceStatus:
    """The plan as a running model."""
    return InstanceStatus(
        id=InstanceId("one"),
        model_id=made.model_id,
        head=made.head,
        state=state,
        plan=made,
        created_at=NOW,
        ready_at=NOW,
    )


def alone() -> Status:
    """One PC, nothing running."""
    return Status(
        node=NodeInfo(id=node_id(1), name="WORKSHOP", version="1", started_at=NOW),
        hardware=hardware("WORKSHOP", (("NVIDIA GeForce RTX 4090", 24),), 64, "192.168.1.1", "Ethernet"),
        load=load((1.6,), 41, 12, 64),
        engine=EngineStatus(build=BUILD),
        members=(member(1, "WORKSHOP"),),
        settings=Settings(),
    )


def home() -> Status:
    """Three PCs, a model on two of them, one on Wi-Fi, a stranger, a warning."""
    made = plan(
        "Qwen3-32B-Q4_K_M",
        (
            stage(2, "LIVING ROOM", "CUDA0", 0, 19, (6.1, 1.1, 0.4)),
            stage(1, "WORKSHOP", "CUDA0", 20, 63, (13.4, 3.0, 1.2)),
        ),
    )
    peers = (
        peer(2, "LIVING ROOM", (("NVIDIA GeForce RTX 3060", 12),), (8.8,)),
        peer(
            3, "LAPTOP", (("NVIDIA GeForce RTX 3050 Laptop GPU", 4),), (0.7,), ram=16, adapter="Wi-Fi",
            round_trip=0.009, throughput=24e6, back=11e6,
        ),
    )  # fmt: skip
    return alone().model_copy(
        update={
            "load": load((19.2,), 61, 21, 64),
            "peers": peers,
            "members": (member(1, "WORKSHOP"), member(2, "LIVING ROOM"), member(3, "LAPTOP")),
            "instances": (running(made),),
            "seen": (stranger("192.168.1.44", 52417), stranger("192.168.1.61", None)),
            "warnings": (
                HealthWarning(
                    code="discovery_blocked",
                    sentence="Something on this PC blocks discovery (mDNS, UDP port 5353): "
                    "Caravan does not hear its own announcement.",
                    hint="Allow Caravan in the firewall.",
                ),
            ),
        }
    )


def crowd(count: int = 32) -> Status:
    """Many PCs: long names, Chinese names, two GPUs, lost ones, ones on Wi-Fi."""
    peers = tuple(_one_of_many(number) for number in range(2, count + 1))
    carrying = tuple(
        stage(
            number, peers[number - 2].name if number > 1 else "WORKSHOP", "CUDA0", at * 8, at * 8 + 7, (4.2, 0.9, 0.4)
        )
        for at, number in enumerate((5, 9, 6, 12, 1))
    )
    return alone().model_copy(
        update={
            "peers": peers,
            "members": (member(1, "WORKSHOP"), *(member(each, peers[each - 2].name) for each in range(2, count + 1))),
            "load": load((7.5,), 58, 20, 64),
            "instances": (running(plan("Llama-3.3-70B-Instruct-Q4_K_M", carrying, 6.2)),),
        }
    )


def invitation() -> InvitationStatus:
    """A code that is shown."""
    return InvitationStatus(
        code="481903", ends_at=NOW + 107, tries_left=3, joined=("LIVING ROOM",), addresses=("192.168.1.1:52417",)
    )


def stranger(address: str, pairing_port: int | None) -> Sighting:
    """A PC on the network that is not joined."""
    return Sighting(
        node_hint=address, instance="x", addresses=(address,), port=52416, pairing_port=pairing_port, seen_at=NOW
    )


def _one_of_many(number: int) -> Peer:
    names = {3: LONG_NAME, 4: CHINESE_NAME}
    gpus: tuple[tuple[str, int], ...] = (("NVIDIA GeForce RTX 3060", 12),)
    used: tuple[float, ...] = (1.0 + number % 7,)
    if number % 8 == 5:
        gpus, used = (("NVIDIA GeForce RTX 3090", 24), ("NVIDIA GeForce RTX 3090", 24)), (6.1, 0.4)
    if number % 11 == 7:
        gpus, used = (), ()
    is_wireless = number % 6 == 0
    is_lost = number in (8, 21)
    return peer(
        number,
        names.get(number, f"ROOM {number:02d}"),
        gpus,
        used,
        adapter="Wi-Fi" if is_wireless else "Ethernet",
        round_trip=0.007 if is_wireless else 0.0003,
        reachability=Reachability.LOST if is_lost else Reachability.ALIVE,
        problem="It has not answered for 4 minutes." if is_lost else None,
    )
