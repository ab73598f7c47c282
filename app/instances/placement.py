"""PURE: from a plan to what each node must lease and what the head's command line names."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.schema.errors import InputError
from app.schema.instance import LeaseRequest
from app.schema.model import ModelFile, ModelPart
from app.schema.plan import CPU_DEVICE, Plan, Role, Stage
from app.schema.record import InstanceId, NodeId


@dataclass(frozen=True)
class Seat:
    """One stage's place: whether it needs a worker process, and the lease to ask for it."""

    stage: Stage
    request: LeaseRequest
    needs_worker: bool


def seats(
    plan: Plan, instance_id: InstanceId, head_name: str, epoch: int, model: ModelFile | None = None
) -> tuple[Seat, ...]:
    """The seats of a plan in layer order, at last those of devices of the head that hold no blocks but something else.

    The head's own devices are leased too, but need no worker. A device has one lease: a draft model beside a stage is
    in that stage's, and so are experts and the picture encoder. Leases of workers say what of `model` will lie there,
    as far as that is known.
    """
    staged = {stage.device for stage in plan.stages if stage.node == plan.head}
    beside = (
        _stage_beside(plan, head_name, name, count) for name, count in _beside(plan).items() if name not in staged
    )
    return tuple(
        Seat(
            stage=stage,
            needs_worker=stage.node != plan.head,
            request=LeaseRequest(
                instance_id=instance_id,
                head=plan.head,
                head_name=head_name,
                device=stage.device,
                size_bytes=stage.total_bytes + (beside_bytes(stage, plan) if stage.layers else 0),
                epoch=epoch,
                part=_part(stage, plan, model),
            ),
        )
        for stage in (*plan.stages, *beside)
    )


def _part(stage: Stage, plan: Plan, model: ModelFile | None) -> ModelPart | None:
    """What of a model a worker is sent; None on the head itself, and where the model does not tell large tensors."""
    if model is None or model.shape is None or stage.node == plan.head:
        return None
    large = model.shape.large_bytes(stage.first_layer, stage.last_layer, output=stage.holds_output)
    if large is None:
        return None
    return ModelPart(
        model_id=model.id,
        model_bytes=model.size_bytes,
        first_layer=stage.first_layer,
        last_layer=stage.last_layer,
        holds_output=stage.holds_output,
        large_bytes=large,
    )


def held_bytes(plan: Plan) -> Counter[tuple[NodeId, str]]:
    """What each device of each PC holds by a plan: blocks, and on the head what lies beside them."""
    found: Counter[tuple[NodeId, str]] = Counter()
    for stage in plan.stages:
        found[stage.node, stage.device] += stage.total_bytes
    for device, count in _beside(plan).items():
        found[plan.head, device] += count
    return found


def beside_bytes(stage: Stage, plan: Plan) -> int:
    """What draft model, picture encoder and the experts that the head's processor computes take on a stage's device."""
    return _beside(plan).get(stage.device, 0) if stage.node == plan.head else 0


def _beside(plan: Plan) -> dict[str, int]:
    """Bytes on devices of the head beside its blocks."""
    found = {CPU_DEVICE: plan.experts.total_bytes} if plan.experts is not None else {}
    drafted = plan.speculation
    if drafted is not None and drafted.draft_device is not None:
        found[drafted.draft_device] = found.get(drafted.draft_device, 0) + drafted.draft_bytes
    if plan.encoder is not None:
        found[plan.encoder.device] = found.get(plan.encoder.device, 0) + plan.encoder.total_bytes
    return found


def unprojected_bytes(stage: Stage, plan: Plan) -> int:
    """What the engine's projection knows nothing of on the device of a stage: draft model and picture encoder."""
    if stage.node != plan.head:
        return 0
    drafted, encoder = plan.speculation, plan.encoder
    draft = drafted.draft_bytes if drafted is not None and drafted.draft_device == stage.device else 0
    return draft + (encoder.total_bytes if encoder is not None and encoder.device == stage.device else 0)


def _stage_beside(plan: Plan, head_name: str, device: str, count: int) -> Stage:
    """What a device of the head holds beside blocks, as a stage without any."""
    return Stage(
        node=plan.head,
        node_name=head_name,
        device=device,
        role=Role.HEAD,
        first_layer=0,
        last_layer=-1,
        holds_output=False,
        weight_bytes=count,
        kv_bytes=0,
        compute_bytes=0,
        free_bytes=0,
    )


def check_plan(plan: Plan) -> None:
    """Raises InputError for a plan no planner makes: blocks missing or doubled, or counts that say something else."""
    expected = 0
    for stage in plan.stages:
        if stage.first_layer != expected or stage.last_layer < stage.first_layer:
            raise _absurd(f"block {expected} is not where it should be")
        expected = stage.last_layer + 1
    outputs = [stage.holds_output for stage in plan.stages]
    if expected != plan.layers or outputs != [False] * (len(outputs) - 1) + [True]:
        raise _absurd("it does not place every layer")
    own = [stage for stage in plan.stages if not _on_head_processor(stage, plan)]
    counts = tuple(stage.layers + stage.holds_output for stage in own)
    if plan.tensor_split != counts or plan.gpu_layers != sum(counts):
        raise _absurd("its counts do not match its layer ranges")
    on_cards = {i for stage in own if stage.node == plan.head for i in range(stage.first_layer, stage.last_layer + 1)}
    if plan.experts is not None and not on_cards.issuperset(plan.experts.layers):
        raise _absurd("it keeps experts in RAM of blocks that are not on a card of the head")


def _on_head_processor(stage: Stage, plan: Plan) -> bool:
    return stage.node == plan.head and stage.device == CPU_DEVICE


def _absurd(why: str) -> InputError:
    return InputError(f"This plan cannot be launched: {why}.", "Plan again, and launch what comes back unchanged.")


def stage_label(stage: Stage) -> str:
    """How a stage's device is named to people: the PC and the device there."""
    return f"{stage.node_name}/{stage.device}"


def remote_indexes(positions: Iterable[int]) -> dict[int, int]:
    """The running number of each worker's device in the engine, by the position of its stage."""
    return {position: number for number, position in enumerate(sorted(positions))}


def stages_by_engine_device(plan: Plan, remote: Mapping[int, int]) -> dict[str, Stage]:
    """The stages by the name the engine on the head gives their device, in layer order.

    `remote` maps the position of a stage with a worker to the running number of its RPC device.
    """
    return {
        f"RPC{remote[position]}" if position in remote else stage.device: stage
        for position, stage in enumerate(plan.stages)
    }


def engine_devices(plan: Plan, remote: Mapping[int, int]) -> tuple[str, ...]:
    """The engine's device names in layer order, the head's processor left out: what `-dev` takes."""
    return tuple(name for name in stages_by_engine_device(plan, remote) if name != CPU_DEVICE)


def expected_bytes(plan: Plan) -> int:
    """Weights the head reads or sends while it loads: all stages, experts in its RAM and the token embedding."""
    experts = plan.experts.weight_bytes if plan.experts is not None else 0
    return sum(stage.weight_bytes for stage in plan.stages) + experts + plan.head_ram_bytes
