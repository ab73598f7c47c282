"""A client that answers as a node would: it plans over the made-up cluster by adding up memory."""

from collections.abc import Sequence

from app.schema.instance import LaunchRequest
from app.schema.model import HeldModel, ModelFile
from app.schema.plan import (
    Alternative,
    EncoderShare,
    KvType,
    NodeReason,
    Plan,
    PlanRequest,
    Prediction,
    Refusal,
    Role,
    Stage,
)
from app.schema.record import InstanceId, NodeId
from app.ui.models import sample_cluster as cluster
from app.ui.models.sample_cluster import GIBI, LAPTOP, LIVING_ROOM, MEBI, WORKSHOP

_ROOMS = (
    (WORKSHOP, "WORKSHOP", 22.0, 900.0),
    (LIVING_ROOM, "LIVING ROOM", 10.6, 340.0),
    (LAPTOP, "LAPTOP", 2.9, 170.0),
)
_HOP_SECONDS = {LIVING_ROOM: 0.003, LAPTOP: 0.012}
_KV_PART = 1 / 8
"""Bytes of KV per token of context in this made-up cluster: an eighth of a MiB."""

LOG = (
    "load_tensors: loading model tensors, this can take a while... (mmap = true)",
    "load_tensors: offloading 64 repeating layers to GPU",
    "load_tensors: offloaded 65/65 layers to GPU",
    "load_tensors:        CUDA0 model buffer size = 13104.22 MiB",
    "load_tensors: RPC0[127.0.0.1:50052] model buffer size = 6620.11 MiB",
    "recv failed (bytes_recv=0, size_to_recv=8)",
    "GGML_ASSERT(status) failed",
)


class SampleClient:
    """Answers what the picker asks a NodeClient. It plans by adding up memory, and keeps what it was asked."""

    def __init__(self, held: Sequence[HeldModel]) -> None:
        self.held = tuple(held)
        self.asked: list[PlanRequest] = []
        self.launched: list[LaunchRequest] = []
        self.stopped: list[InstanceId] = []

    async def cluster_models(self) -> tuple[HeldModel, ...]:
        """All of them."""
        return self.held

    async def models(self, rescan: bool = False) -> tuple[ModelFile, ...]:
        """Those of this PC."""
        return tuple(each.model for each in self.held)

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        """Where it would run in the made-up cluster."""
        self.asked.append(request)
        found = next((each.model for each in self.held if each.model.id == request.model_id), None)
        return planned(found or cluster.model(str(request.model_id)), request)

    async def launch(self, request: LaunchRequest) -> InstanceId:
        """Take it."""
        self.launched.append(request)
        return InstanceId(f"instance-{len(self.launched)}")

    async def stop(self, instance: InstanceId) -> None:
        """Take it."""
        self.stopped.append(instance)

    async def logs(self, name: str, lines: int) -> tuple[list[str], list[str]]:
        """An engine's last lines."""
        return list(LOG), [name]


def planned(model: ModelFile, request: PlanRequest) -> Plan | Refusal:
    """A plan on as many PCs as it takes, or a refusal."""
    context = request.context or min(4096, _limit(model))
    if request.shares:
        return _plan(model, request, context, {each.node: each.layers for each in request.shares})
    fitting = [pcs for pcs in (1, 2, 3) if _short(model, context, pcs) == 0]
    wanted = request.pcs or (3 if LAPTOP in request.use else fitting[0] if fitting else None)
    if wanted is None or wanted not in fitting:
        return _refusal(model, context)
    return _plan(model, request, context, _filled(model, context, wanted))


def _limit(model: ModelFile) -> int:
    return model.shape.context_length or 4096 if model.shape else 4096


def _needed(model: ModelFile, context: int) -> float:
    return model.size_bytes / GIBI + context * _kv_mebi(model) / 1024


def _kv_mebi(model: ModelFile) -> float:
    return _KV_PART * model.size_bytes / GIBI / 16


def _largest(model: ModelFile, pcs: int, slots: int = 1) -> int | None:
    """The largest multiple of 256 tokens that fits on so many PCs, or all that the model was trained for."""
    room = sum(free - 0.8 for _, _, free, _ in _ROOMS[:pcs]) - model.size_bytes / GIBI
    tokens = min(int(room * 1024 / _kv_mebi(model)) // 256 * 256, _limit(model) * slots)
    return tokens if tokens >= 512 else None


def _short(model: ModelFile, context: int, pcs: int) -> int:
    room = sum(free - 0.8 for _, _, free, _ in _ROOMS[:pcs])
    return max(0, round((_needed(model, context) - room) * GIBI))


def _filled(model: ModelFile, context: int, pcs: int) -> dict[NodeId, int]:
    """Layers per PC: this one's card first, then the next; each takes at least one when it must take part."""
    layers = model.shape.layers if model.shape else 32
    each = _needed(model, context) / layers
    left, found = layers, {}
    for number, (node, _, free, _) in enumerate(_ROOMS[:pcs]):
        rest = pcs - number - 1
        found[node] = max(1, min(left - rest, int((free - 0.8) / each))) if rest else left
        left -= found[node]
    return dict(reversed(found.items()))


def _plan(model: ModelFile, request: PlanRequest, context: int, counts: dict[NodeId, int]) -> Plan:
    layers = sum(counts.values())
    stages = tuple(_stages(model, context, counts, layers))
    used = {stage.node for stage in stages}
    left_out = tuple(
        NodeReason(node=node, node_name=name, sentence=_spared(name)) for node, name, _, _ in _ROOMS if node not in used
    )
    return Plan(
        model_id=request.model_id,
        architecture="llama",
        layers=layers,
        context=context,
        slots=request.slots,
        kv_type=KvType(request.kv_type),
        head=WORKSHOP,
        stages=stages,
        gpu_layers=layers + 1,
        tensor_split=tuple(stage.layers for stage in stages),
        reserve_bytes=GIBI,
        head_ram_bytes=round(model.size_bytes / 50),
        encoder=_encoder(stages[-1]) if model.projector_path is not None else None,
        left_out=left_out,
        alternatives=_alternatives(model, context, request.slots),
        largest_context=_largest(model, request.pcs or 3, request.slots),
        largest_context_in_place=_largest(model, len(used), request.slots),
        prediction=_prediction(model, {stage.node: stage.weight_bytes for stage in stages}),
    )


def _encoder(stage: Stage) -> EncoderShare:
    """A picture encoder of Gemma's kind on the head's card."""
    return EncoderShare(
        node_name=stage.node_name,
        device=stage.device,
        weight_bytes=812 * MEBI,
        compute_bytes=130 * MEBI,
        free_bytes=stage.free_bytes,
    )


def _stages(model: ModelFile, context: int, counts: dict[NodeId, int], layers: int) -> list[Stage]:
    rooms = {node: (name, free) for node, name, free, _ in _ROOMS}
    first, found = 0, []
    for node, count in counts.items():
        name, free = rooms[node]
        weights = model.size_bytes * count // layers
        found.append(
            Stage(
                node=node,
                node_name=name,
                device="CUDA0",
                role=Role.HEAD if node == WORKSHOP else Role.WORKER,
                first_layer=first,
                last_layer=first + count - 1,
                holds_output=first + count == layers,
                weight_bytes=weights,
                kv_bytes=round(context * _kv_mebi(model) * MEBI * count / layers),
                compute_bytes=round(0.5 * GIBI),
                free_bytes=round((free + 0.6) * GIBI),
                kept_bytes=weights * 9 // 10 if node == LIVING_ROOM else 0,
            )
        )
        first += count
    return found


def _spared(name: str) -> str:
    if name == "LAPTOP":
        return "LAPTOP is on Wi-Fi (9 ms): left out, it would cost 6 tok/s."
    return f"{name} is not needed: it fits on WORKSHOP alone."


def _alternatives(model: ModelFile, context: int, slots: int = 1) -> tuple[Alternative, ...]:
    return tuple(_alternative(model, context, pcs, _largest(model, pcs, slots)) for pcs in (1, 2, 3))


def _alternative(model: ModelFile, context: int, pcs: int, largest: int | None) -> Alternative:
    names, short = [name for _, name, _, _ in _ROOMS[:pcs]], _short(model, context, pcs)
    joined = names[0] + " alone" if pcs == 1 else " and ".join(names)
    if short:
        sentence = f"{joined}: {short / GIBI:.1f} GB short for {context:,} tokens of context.".replace(",", " ")
        return Alternative(pcs=pcs, fits=False, sentence=sentence, short_bytes=short, largest_context=largest)
    layers = model.shape.layers if model.shape else 32
    loads = {node: model.size_bytes * count // layers for node, count in _filled(model, context, pcs).items()}
    sentence = f"Fits on {joined} with {context} tokens of context."
    told = _prediction(model, loads)
    return Alternative(pcs=pcs, fits=True, sentence=sentence, prediction=told, largest_context=largest)


def _prediction(model: ModelFile, loads: dict[NodeId, int]) -> Prediction:
    bandwidths = {node: bandwidth * GIBI for node, _, _, bandwidth in _ROOMS}
    seconds = sum(size / bandwidths[node] for node, size in loads.items()) + 0.002
    seconds += sum(_HOP_SECONDS.get(node, 0.0) for node in loads)
    remote = sum(size for node, size in loads.items() if node != WORKSHOP)
    first = 0.3 + seconds * 18
    return Prediction(
        prompt_tokens=1000,
        answer_tokens=400,
        decode=1 / seconds,
        prefill=1000 / first,
        first_token=first,
        answer=first + 400 * seconds,
        load=3 + model.size_bytes / (3 * GIBI) + remote / (110 * MEBI),
        is_measured=len(loads) == 1,
    )


def _refusal(model: ModelFile, context: int) -> Refusal:
    alternatives = _alternatives(model, context)
    short = min(each.short_bytes for each in alternatives)
    needed = round(_needed(model, context) * GIBI)
    tokens = f"{context:,}".replace(",", " ")
    return Refusal(
        model_id=model.id,
        code="does_not_fit",
        sentence=f"{model.id} needs {needed / GIBI:.1f} GB for {tokens} tokens of context; WORKSHOP, LIVING ROOM and "
        f"LAPTOP have {(needed - short) / GIBI:.1f} GB free: {short / GIBI:.1f} GB short.",
        hint="Choose a smaller quantization of the model, close programs that use memory, or add a PC.",
        needed_bytes=needed,
        free_bytes=needed - short,
        largest_context=_largest(model, 3),
        reasons=(NodeReason(node=LAPTOP, node_name="LAPTOP", sentence="LAPTOP has 3.4 GB free on its card."),),
        alternatives=alternatives,
    )
