"""A made-up cluster of three PCs and its models, for pictures and tests of the picker. No figure in it was measured."""

from collections.abc import Sequence

from app.schema.engine import EngineBuild, EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.hardware import Accelerator, AcceleratorKind, HardwareSnapshot, LoadSample, Processor
from app.schema.instance import InstanceStatus
from app.schema.model import HeldModel, ModelFile, ModelShape
from app.schema.node import CatalogueStatus, NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import CPU_DEVICE, DeviceResources
from app.schema.record import ModelId, NodeId

GIBI = 1 << 30
MEBI = 1 << 20

WORKSHOP, LIVING_ROOM, LAPTOP = NodeId("a" * 64), NodeId("b" * 64), NodeId("c" * 64)

BUILD = EngineBuild(
    server="llama-server",
    worker="rpc-server",
    source="bundled",
    build=11434,
    commit="c0ffee1",
    version_text="",
    flags=frozenset(),
)

_NAMES = (
    ("Qwen3-32B-Q6_K", "32B", "Q6_K", 26.9, 64, 40960, "/home/ann/.ollama/models/blobs"),
    ("Llama-3.3-70B-Instruct-Q4_K_M", "70B", "Q4_K_M", 42.5, 80, 131072, "/home/ann/.lmstudio/models/bartowski"),
    ("gpt-oss-20b-MXFP4", "20B", "MXFP4_MOE", 11.3, 24, 131072, "/home/ann/.cache/huggingface/hub"),
    ("Qwen3-30B-A3B-Q8_0", "30B-A3B", "Q8_0", 30.2, 48, 40960, "/home/ann/.lmstudio/models/qwen"),
    ("Mistral-Small-3.2-24B-Q6_K", "24B", "Q6_K", 18.0, 40, 131072, "/srv/models"),
    ("gemma-3-12b-it-Q5_K_M", "12B", "Q5_K_M", 7.9, 48, 131072, "/home/ann/.ollama/models/blobs"),
    ("Phi-4-mini-IQ2_XS", "3.8B", "IQ2_XS", 1.2, 32, 131072, "/srv/models"),
)


def model(
    name: str,
    label: str | None = "8B",
    quantization: str | None = "Q4_K_M",
    gigabytes: float = 4.9,
    layers: int = 32,
    context: int | None = 32768,
    folder: str = "/srv/models",
    *,
    modified: float = 1.79e9,
    sees: bool = False,
) -> ModelFile:
    """A model file that can be read."""
    size = round(gigabytes * GIBI)
    each = size * 95 // 100 // layers
    shape = ModelShape(
        architecture="llama",
        size_label=label,
        quantization=quantization,
        parameters=round(gigabytes * 1.65e9),
        context_length=context,
        layer_bytes=(each,) * layers,
        embedding_bytes=size // 50,
        output_bytes=size // 40,
        tied_embeddings=False,
        largest_tensor_bytes=each // 8,
        tensor_count=layers * 12,
    )
    path = f"{folder}/{name}.gguf"
    return ModelFile(
        id=ModelId(name),
        path=path,
        folder=folder,
        size_bytes=size,
        modified=modified,
        parts=(path,),
        shape=shape,
        projector_path=f"{folder}/mmproj.gguf" if sees else None,
    )


def demo_model() -> HeldModel:
    """The one that comes with Caravan."""
    file = model("caravan-demo", "8M", "Q8_0", 0.0078, 6, 512, "C:\\Program Files\\Caravan\\resources\\demo_model")
    return HeldModel(model=file, holders=(WORKSHOP, LIVING_ROOM, LAPTOP))


def unreadable_model() -> HeldModel:
    """One whose download was cut off."""
    file = model("DeepSeek-R1-Distill-14B-Q4_K_M", gigabytes=3.1)
    problem = ErrorInfo(
        code="gguf_truncated",
        sentence="DeepSeek-R1-Distill-14B-Q4_K_M.gguf on WORKSHOP ends too early: 3.1 of 9 GB are there.",
        hint="Download it again.",
    )
    return HeldModel(model=file.model_copy(update={"shape": None, "problem": problem}), holders=(WORKSHOP,))


def few_models() -> tuple[HeldModel, ...]:
    """Nine models over the PCs."""
    holders = ((WORKSHOP,), (LIVING_ROOM,), (WORKSHOP, LIVING_ROOM), (WORKSHOP,), (LAPTOP,), (WORKSHOP,), (WORKSHOP,))
    made = [
        HeldModel(model=model(*facts, modified=1.79e9 - 86400 * number, sees=number == 5), holders=who)
        for number, (facts, who) in enumerate(zip(_NAMES, holders, strict=True))
    ]
    return (*made, demo_model(), unreadable_model())


def many_models(count: int = 200) -> tuple[HeldModel, ...]:
    """So many models, two of them with the names that break layouts."""
    found = list(few_models())
    long = "A-very-long-name-of-a-model-that-somebody-merged-from-five-others-and-then-tuned-again-v2-Q4_K_M"
    found += [
        HeldModel(model=model(long, "13B"), holders=(WORKSHOP,)),
        HeldModel(model=model("通义千问-对话模型-增强版-Q4_K_M", "14B", gigabytes=8.4), holders=(LIVING_ROOM,)),
    ]
    kinds = ("Q4_K_M", "Q8_0", "Q6_K", "IQ3_M", "BF16")
    while len(found) < count:
        number = len(found)
        kind = kinds[number % len(kinds)]
        file = model(f"Sample-{number:03d}-{kind}", f"{number % 70 + 1}B", kind, 0.6 * (number % 70 + 1))
        found.append(HeldModel(model=file, holders=(WORKSHOP if number % 3 else LIVING_ROOM,)))
    return tuple(found[:count])


def gpu(name: str, total: float, free: float) -> DeviceResources:
    """A graphics card, gigabytes."""
    return DeviceResources(
        device="CUDA0", name=name, total_bytes=round(total * GIBI), free_bytes=round(free * GIBI), is_cpu=False
    )


def ram(name: str, total: float, free: float) -> DeviceResources:
    """A processor with its memory, gigabytes."""
    return DeviceResources(
        device=CPU_DEVICE, name=name, total_bytes=round(total * GIBI), free_bytes=round(free * GIBI), is_cpu=True
    )


def peer(node: NodeId, name: str, *devices: DeviceResources, round_trip: float = 0.0004) -> Peer:
    """Another PC that answers."""
    report = PeerReport(
        node=NodeInfo(id=node, name=name, version="1", started_at=1.0),
        devices=devices,
        engine=EngineStatus(build=BUILD),
    )
    return Peer(node=node, name=name, reachability=Reachability.ALIVE, report=report, round_trip=round_trip)


def peers() -> tuple[Peer, ...]:
    """The other two."""
    return (
        peer(LIVING_ROOM, "LIVING ROOM", gpu("NVIDIA GeForce RTX 3060", 12, 11.2), ram("Ryzen 5 5600", 32, 24)),
        peer(
            LAPTOP, "LAPTOP", gpu("NVIDIA GeForce RTX 3050 Laptop GPU", 4, 3.4), ram("Core i7", 16, 9), round_trip=0.009
        ),
    )


def status(
    *instances: InstanceStatus, others: Sequence[Peer] | None = None, name: str = "WORKSHOP", seq: int = 0
) -> Status:
    """This PC's node and what it knows."""
    card = Accelerator(
        key="gpu",
        name="NVIDIA GeForce RTX 4090",
        kind=AcceleratorKind.CUDA,
        total_bytes=24 * GIBI,
        free_bytes=round(22.6 * GIBI),
        engine_device="CUDA0",
    )
    hardware = HardwareSnapshot(
        hostname=name,
        operating_system="Windows 11",
        architecture="AMD64",
        processor=Processor(name="Ryzen 9 7950X", logical_cores=32),
        ram_bytes=64 * GIBI,
        accelerators=(card,),
    )
    load = LoadSample(at=1.0, cpu_load=0.05, ram_free_bytes=48 * GIBI, ram_used_bytes=16 * GIBI)
    folders = ("C:\\Users\\Ann\\AppData\\Local\\Caravan\\models", "C:\\Users\\Ann\\.lmstudio\\models", "D:\\models")
    return Status(
        seq=seq,
        node=NodeInfo(id=WORKSHOP, name=name, version="1", started_at=1.0),
        hardware=hardware,
        load=load,
        engine=EngineStatus(build=BUILD),
        peers=peers() if others is None else tuple(others),
        catalogue=CatalogueStatus(revision=1, models=9, folders=folders),
        instances=instances,
    )
