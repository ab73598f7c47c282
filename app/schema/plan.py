"""What the planner is asked (`PlanRequest`, `ClusterView`) and what it answers (`Plan` or `Refusal`)."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.schema.model import EncoderShape, ModelPart
from app.schema.record import Bytes, ModelId, NodeId, Record

CPU_DEVICE = "CPU"
"""The engine's name for the processor as a device."""


Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]

FASTEST_LINK = 12.5e9
"""Bytes/s of 100 Gbit/s Ethernet: no measured link counts as faster."""


class KvType(StrEnum):
    """Element type of the KV cache, by the engine's names."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"
    Q5_1 = "q5_1"
    Q5_0 = "q5_0"
    Q4_1 = "q4_1"
    Q4_0 = "q4_0"
    IQ4_NL = "iq4_nl"


class Role(StrEnum):
    """What a node does for an instance."""

    HEAD = "head"
    WORKER = "worker"


class Preference(StrEnum):
    """What a plan is made fast for when there are several slots: one conversation while the others wait, or all of them
    together.
    """

    ANSWER = "answer"
    THROUGHPUT = "throughput"


class LoadKind(StrEnum):
    """What a launch mostly waits for: the head's disk, the head's work on a file that is in its RAM already, a link."""

    READ = "read"
    REREAD = "reread"
    SEND = "send"


class LoadFactor(Record):
    """How many times longer than predicted launches of one kind took on a head with these devices (`node/device`)."""

    devices: tuple[str, ...]
    kind: LoadKind
    factor: Rate


class DeviceResources(Record):
    """A device a node offers. `device` is its engine name there (`CUDA0`, `CPU`).

    `free_bytes` is what may be used now, before the planner's reserve and after leases already granted.
    `bandwidth` (bytes/s), `compute` (FLOP/s) and `token_seconds`, what a token costs there however few bytes are read
    for it, are measured, None until they are. `prompt_bandwidth` is that of the passes of a prompt; None counts as
    `bandwidth`. `step_compute` is that of the tokens after the first of a step of a few; None counts as `compute`.
    `correction` is how many times longer it took in earlier runs than predicted, None until there was one.
    """

    device: str
    name: str
    total_bytes: Bytes
    free_bytes: Bytes
    is_cpu: bool
    bandwidth: Rate | None = None
    compute: Rate | None = None
    token_seconds: Seconds | None = None
    correction: Rate | None = None
    prompt_bandwidth: Rate | None = None
    step_compute: Rate | None = None
    repacked_bandwidth: Rate | None = None
    repacked_compute: Rate | None = None
    repacked_prompt_bandwidth: Rate | None = None
    repacked_step_compute: Rate | None = None
    """Of a processor whose weights the engine rearranges; None where it does not, or nobody measured it."""


class NodeResources(Record):
    """A node as the planner sees it. `problem` says in a sentence why it cannot be used, None when it can.

    `kept` are the parts of the model in question that a worker there has on its disk, in tensors above
    `LARGE_TENSOR_BYTES`; None when it keeps nothing of what it is sent. `has_in_ram`: it read the file lately, and has
    RAM for it still to be there. `loads` is what earlier launches with this head taught.
    `encoder` is the picture encoder that the node loads beside the model when it is the head.
    """

    node: NodeId
    name: str
    holds_model: bool
    engine_build: str | None
    devices: tuple[DeviceResources, ...]
    problem: str | None = None
    kept: tuple[ModelPart, ...] | None = None
    has_in_ram: bool = False
    loads: tuple[LoadFactor, ...] = ()
    encoder: EncoderShape | None = None


class LinkMeasure(Record):
    """A measured link between two nodes: `round_trip` in seconds, `throughput` in bytes/s from `a` to `b`, `back` from
    `b` to `a`, each measured by the end that sends.

    `correction` is how many times longer it took in earlier runs than predicted, None until there was one.
    """

    a: NodeId
    b: NodeId
    round_trip: Seconds | None = None
    throughput: Rate | None = None
    back: Rate | None = None
    correction: Rate | None = None

    def rate_from(self, sender: NodeId) -> float | None:
        """Bytes/s from one of its ends to the other, None where that was not measured."""
        return self.throughput if sender == self.a else self.back


class ClusterView(Record):
    """Everything the planner knows of the cluster. `this_node` is where the user asked.

    `beyond_bytes` is what a device needs for the model in question beyond the planner's figures, as the engine said.
    """

    this_node: NodeId
    nodes: tuple[NodeResources, ...]
    links: tuple[LinkMeasure, ...] = ()
    beyond_bytes: Bytes = 0


class Share(Record):
    """How many blocks a device gets when the user decides."""

    node: NodeId
    device: str
    layers: Annotated[int, Field(ge=0, le=4096)]


class PlanRequest(Record):
    """What the user asks for. `context` None means a default the planner chooses and states.

    `pcs` asks for exactly that many PCs, `min_pcs` for at least that many; `use` names PCs that must take part, `avoid`
    such that must not. `shares` fixes the blocks of every device, in layer order. `prompt_tokens` and `answer_tokens`
    are the mix that the fastest split is sought for; None takes what this PC's users typically send. `prefer` None is
    throughput where there are several slots.
    """

    model_id: ModelId
    context: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    pcs: Annotated[int, Field(ge=1, le=64)] | None = None
    min_pcs: Annotated[int, Field(ge=1, le=64)] = 1
    slots: Annotated[int, Field(ge=1, le=64)] = 1
    prefer: Preference | None = None
    kv_type: KvType = KvType.F16
    head: NodeId | None = None
    avoid: tuple[NodeId, ...] = ()
    use: tuple[NodeId, ...] = ()
    shares: tuple[Share, ...] = ()
    prompt_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    answer_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    repetitive: bool = False
    """The answers repeat what was said, as when code or a text is edited."""


class Prediction(Record):
    """The speed to expect of a placement, for `prompt_tokens` in and `answer_tokens` out.

    `decode` and `prefill` are tokens/s of one conversation while `conversations` answer at once, `throughput` is what
    all of them get together, from the first question to the last answer. `first_token` (from question to first token),
    `load` (from launch to ready) and `answer` (the whole exchange) are seconds. `is_measured`: every
    device and link in it was measured, else some are the planner's estimates. `corrected_by` is the factor learned from
    earlier runs of this placement, None without; `load_corrected_by` that of `load` from launches of its `load_kind`.
    """

    prompt_tokens: int
    answer_tokens: int
    decode: float
    prefill: float
    first_token: float
    answer: float
    load: float | None = None
    load_kind: LoadKind | None = None
    load_corrected_by: float | None = None
    conversations: int = 1
    throughput: float | None = None
    is_measured: bool = False
    corrected_by: float | None = None


class SpeculationKind(StrEnum):
    """How tokens are guessed ahead: from text that repeats, or by a smaller model."""

    NGRAM = "ngram"
    DRAFT = "draft"


class Speculation(Record):
    """Guessing `guesses` tokens ahead and checking them in one pass.

    With `draft`: the model that guesses, the device of the head it goes on, the bytes it needs there, and `decode`
    (tokens/s) with an assumed share of right guesses. `sentence` says it to a person.
    """

    kind: SpeculationKind
    guesses: int
    sentence: str
    draft_model: ModelId | None = None
    draft_device: str | None = None
    draft_bytes: Bytes = 0
    decode: float | None = None


class Stage(Record):
    """A contiguous layer range on one device. `first_layer`..`last_layer` are inclusive block numbers.

    `holds_output` adds the output layer. `free_bytes` is what the device had before, `compute_bytes` the planner's
    estimate of the engine's compute buffers there. `kept_bytes` of the weights are on its PC's disk and are not sent.
    """

    node: NodeId
    node_name: str
    device: str
    role: Role
    first_layer: int
    last_layer: int
    holds_output: bool
    weight_bytes: Bytes
    kv_bytes: Bytes
    compute_bytes: Bytes
    free_bytes: Bytes
    kept_bytes: Bytes = 0

    @property
    def layers(self) -> int:
        """Number of blocks in the range."""
        return self.last_layer - self.first_layer + 1

    @property
    def total_bytes(self) -> int:
        """Predicted use of the device."""
        return self.weight_bytes + self.kv_bytes + self.compute_bytes


class ExpertShare(Record):
    """Experts of blocks whose other tensors are on the head's GPUs: they lie in the head's RAM, its processor computes
    them. `layers` are the blocks; no stage counts their bytes.

    `free_bytes` is what the RAM had before, `compute_bytes` the planner's estimate of the engine's buffers there beside
    those of a stage on the processor.
    """

    layers: tuple[int, ...]
    weight_bytes: Bytes
    compute_bytes: Bytes
    free_bytes: Bytes

    @property
    def total_bytes(self) -> int:
        """Predicted use of the RAM."""
        return self.weight_bytes + self.compute_bytes


class EncoderShare(Record):
    """The picture encoder on a device of the head, whose name is `node_name`; no stage counts its bytes.

    `free_bytes` is what the device had before, `compute_bytes` the planner's estimate of the encoder's buffers.
    """

    node_name: str
    device: str
    weight_bytes: Bytes
    compute_bytes: Bytes
    free_bytes: Bytes

    @property
    def total_bytes(self) -> int:
        """Predicted use of the device."""
        return self.weight_bytes + self.compute_bytes


class NodeReason(Record):
    """Why one node is not part of a plan, as a sentence with its name and numbers."""

    node: NodeId
    node_name: str
    sentence: str


class DeviceReason(NodeReason):
    """Why one device of a PC that takes part holds nothing."""

    device: str


class Alternative(Record):
    """The same model on another number of PCs: whether it fits there, and how short it is when not.

    `largest_context` is the most tokens that fit on exactly that many PCs, None when none do.
    """

    pcs: int
    fits: bool
    sentence: str
    short_bytes: Bytes = 0
    largest_context: int | None = None
    prediction: Prediction | None = None
    names: tuple[str, ...] = ()
    """The PCs, the head first. Empty in plans of builds that did not tell."""
    idle_head: bool = False
    """Whether the head only runs the model there and the others hold all layers."""


class Plan(Record):
    """A placement the engine reproduces exactly. Stages are in layer order, the order of the engine's devices.

    `gpu_layers` is the engine's `-ngl` (blocks and output layer not on the head's processor); `tensor_split` has one
    count per stage that is not the head's processor, the output layer counted with the last; they sum to `gpu_layers`.
    """

    kind: Literal["plan"] = "plan"
    model_id: ModelId
    architecture: str
    layers: int
    context: int
    slots: int
    kv_type: KvType
    head: NodeId
    stages: tuple[Stage, ...]
    gpu_layers: int
    tensor_split: tuple[int, ...]
    reserve_bytes: Bytes
    head_ram_bytes: Bytes
    head_name: str | None = None
    """None in plans of builds that did not tell."""
    beyond_bytes: Bytes = 0
    """What of each device's `compute_bytes` the engine itself taught (`ClusterView.beyond_bytes`)."""
    experts: ExpertShare | None = None
    """None when every block lies whole on its device."""
    encoder: EncoderShare | None = None
    """None for a model that is launched without a picture encoder."""
    repacks: bool = True
    """Whether the engine may rearrange weights for the head's processor. It does so of itself on a head without workers
    and cards; False where that is slower. With workers it never does, whatever this says."""
    left_out: tuple[NodeReason, ...] = ()
    spare_devices: tuple[DeviceReason, ...] = ()
    """The devices of the plan's PCs that hold nothing."""
    alternatives: tuple[Alternative, ...] = ()
    prediction: Prediction | None = None
    """None when too little is known of the devices' speed."""
    speculation: Speculation | None = None
    """None when guessing ahead does not pay or nothing is known to guess with."""
    largest_context: int | None = None
    """The most tokens that fit with the same request, on whatever split fits then. None in plans of builds that did not
    tell."""
    largest_context_in_place: int | None = None
    """The most that fit on no other devices than this plan's: with more, the model takes in further devices or PCs."""
    notes: tuple[str, ...] = ()
    """What the user should know of this plan, as sentences: a context that was lowered so that it fits."""

    @property
    def pcs(self) -> int:
        """Number of PCs that hold layers or run the head."""
        return len({stage.node for stage in self.stages} | {self.head})

    @property
    def ranges(self) -> tuple[tuple[NodeId, str, int, int], ...]:
        """Where the layers lie: PC, device, first and last layer of each stage, whatever is free there."""
        return tuple((each.node, each.device, each.first_layer, each.last_layer) for each in self.stages)

    @property
    def expert_layers(self) -> tuple[int, ...]:
        """The blocks whose experts are in the head's RAM."""
        return self.experts.layers if self.experts is not None else ()

    @property
    def kept_on(self) -> tuple[tuple[str, int], ...]:
        """The PCs that have some of what they would be sent on their disks, by name, with its bytes."""
        nodes = dict.fromkeys((stage.node, stage.node_name) for stage in self.stages)
        sums = ((name, sum(stage.kept_bytes for stage in self.stages if stage.node == node)) for node, name in nodes)
        return tuple((name, count) for name, count in sums if count)


class Refusal(Record):
    """Why no plan exists, with the numbers. `largest_context` is the context that would fit, None when none does."""

    kind: Literal["refusal"] = "refusal"
    model_id: ModelId
    code: str
    sentence: str
    hint: str
    needed_bytes: Bytes | None = None
    free_bytes: Bytes | None = None
    largest_context: int | None = None
    reasons: tuple[NodeReason, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


PlanAnswer = Annotated[Plan | Refusal, Field(discriminator="kind")]
