"""What this node expects of a placement, and what it learns when it comes about.

The planner is pure; here it gets what is known of the cluster: who is there, how fast each device and link was
measured, what past runs taught, and what this PC's users typically ask.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.engine.commands import can_guess
from app.instances.lending import Lending
from app.instances.placement import expected_bytes
from app.node.bus import Bus, Closed, Overflowed
from app.node.corrections import Corrections
from app.node.excesses import Excesses, beyond_of
from app.node.library import Library
from app.node.read_files import ReadFiles
from app.node.resources import (
    links_of,
    own_resources,
    peer_resources,
    with_encoders,
    with_freed,
    with_memory_before,
    with_model,
)
from app.node.shared_models import SharedModels
from app.node.smaller import with_smaller
from app.node.speeds import Speeds, for_model
from app.planner.plan import plan as make_plan
from app.planner.refusals import DOES_NOT_FIT
from app.planner.speculation import Draft
from app.schema.engine import EngineBuild
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.model import ModelFile, ModelShape
from app.schema.plan import ClusterView, Plan, PlanRequest, Refusal
from app.schema.record import ModelId, NodeId
from app.schema.speed import DeviceSpeed

TAIL_BYTES = 1 << 14
"""How much of an answer's end is kept to find the engine's figures in it."""

ViewOf = Callable[[ModelFile, ModelShape, bool], ClusterView]
"""The cluster as it concerns a model; True: the model is on this PC, although no list of its has it."""


@dataclass(frozen=True)
class Timings:
    """llama-server's own figures of one answer: tokens that were computed, and tokens/s, None when not told."""

    prompt_tokens: int
    answer_tokens: int
    prefill: float | None
    decode: float | None


class Forecast:
    """Plans with everything that is known, and learns from launches and answers."""

    def __init__(
        self,
        bus: Bus,
        library: Library,
        lending: Lending,
        models: SharedModels,
        speeds: Speeds,
        corrections: Corrections,
        excesses: Excesses,
        answered: Callable[[InstanceStatus, Timings], None],
    ) -> None:
        self._bus = bus
        self._library = library
        self._lending = lending
        self._models = models
        self._speeds = speeds
        self._corrections = corrections
        self._excesses = excesses
        self._answered = answered
        self._read = ReadFiles()

    def factor(self, plan: Plan) -> float:
        """How many times longer a plan's placement took so far than the cost model says; 1 before its first run."""
        return self._corrections.factor(plan)

    def plan_without(
        self, request: PlanRequest, model: ModelFile, shape: ModelShape, gone: Iterable[InstanceStatus]
    ) -> Plan | Refusal:
        """Where the model would run if these instances held nothing any more; refusals as those of `plan`."""
        freed = tuple(gone)

        def view(other: ModelFile, known: ModelShape, is_here: bool) -> ClusterView:
            return with_freed(self._view(other, known, is_here), freed)

        return self._answer(request, model, shape, view, self._drafts())

    async def plan_anew(self, launch: LaunchRequest, model: ModelFile) -> Plan | None:
        """Another placement under this PC for a launch whose plan does not fit, as if that held nothing.

        None where there is none, and where it would be the same.
        """
        if launch.wishes is None or model.shape is None:
            return None
        found = await asyncio.to_thread(self._instead, launch.plan, launch.wishes, model, model.shape)
        return found if isinstance(found, Plan) and is_another(found, launch.plan) else None

    def _instead(self, plan: Plan, wishes: PlanRequest, model: ModelFile, shape: ModelShape) -> Plan | Refusal:
        asked = wishes.model_copy(update={"model_id": model.id, "head": self._bus.status.node.id})
        view = with_memory_before(self._view(model, shape), plan)
        return make_plan(self._with_mix(asked), shape, view, self._drafts())

    def plan(self, request: PlanRequest, model: ModelFile, shape: ModelShape) -> Plan | Refusal:
        """Where the model would run in this cluster as it is now, and how fast (blocking).

        A refusal for memory names the nearest smaller quantization that fits, which any PC has, or which lies beside
        the model where that is outside the folders.
        """
        return self._answer(request, model, shape, self._view, self._drafts())

    def plan_if_here(self, request: PlanRequest, model: ModelFile, shape: ModelShape) -> Plan | Refusal:
        """As `plan`, for a model that is not here yet: this PC counts as one that holds it."""
        view = self._view(model, shape, is_here=True)
        return make_plan(self._with_mix(request), shape, view, self._drafts())

    def plan_for(
        self, request: PlanRequest, model: ModelFile, shape: ModelShape, cluster: ClusterView
    ) -> Plan | Refusal:
        """Where the model would run in a cluster that somebody describes; nothing that was learned here counts.

        Refusals as those of `plan`: a smaller quantization counts as being where the model is.
        """

        def view(other: ModelFile, _: ModelShape, __: bool) -> ClusterView:
            beside = {node.node: other.encoder for node in cluster.nodes if other.encoder is not None}
            return with_encoders(cluster, beside)

        return self._answer(request, model, shape, view, ())

    def _answer(
        self, request: PlanRequest, model: ModelFile, shape: ModelShape, view: ViewOf, drafts: Sequence[Draft]
    ) -> Plan | Refusal:
        asked = self._with_mix(request)
        answer = make_plan(asked, shape, view(model, shape, False), drafts)
        if isinstance(answer, Plan) or answer.code != DOES_NOT_FIT:
            return answer
        beside = self._library.siblings(model)

        def planned(wish: PlanRequest, other: ModelFile, known: ModelShape) -> Plan | Refusal:
            return make_plan(wish, known, view(other, known, other in beside), drafts)

        peers = (each for peer in self._bus.status.peers for each in self._models.of(peer.node))
        return with_smaller(answer, asked, model, (*self._library.models, *beside, *peers), planned)

    def _drafts(self) -> tuple[Draft, ...]:
        status = self._bus.status
        disks = [(status.node.id, status.engine.build, self._library.models)]
        for peer in status.peers:
            if peer.report is not None:
                disks.append((peer.node, peer.report.engine.build, self._models.of(peer.node)))
        return drafts_on(disks)

    async def run(self) -> None:
        """Learn from every launch that becomes ready, until cancelled or the node ends."""
        known: set[str] = set()
        while True:
            with self._bus.subscribe() as changes:
                try:
                    while True:
                        found = (await changes.next()).instance
                        if found is not None and found.state is InstanceState.READY and found.id not in known:
                            known.add(found.id)
                            await self._observe_ready(found)
                except Overflowed:
                    continue
                except Closed:
                    return

    async def _observe_ready(self, instance: InstanceStatus) -> None:
        await self._corrections.observe_ready(instance)
        self._read.read(instance.model_id, expected_bytes(instance.plan))

    async def observe_answer(self, instance: InstanceStatus, tail: bytes) -> None:
        """Learn from the end of an answer that passed by; without the engine's figures in it, nothing."""
        found = timings_in(tail)
        if found is None:
            return
        self._answered(instance, found)
        await self._corrections.observe(instance, found.prompt_tokens, found.answer_tokens, found.prefill, found.decode)

    def _with_mix(self, request: PlanRequest) -> PlanRequest:
        """The request with the user's typical exchange, and without guesses that this engine cannot make."""
        mix, build = self._corrections.mix, self._bus.status.engine.build
        known = {
            "repetitive": request.repetitive and build is not None and can_guess(build, with_draft=False),
            "prompt_tokens": request.prompt_tokens or max(1, round(mix.prompt_tokens)),
            "answer_tokens": request.answer_tokens or max(1, round(mix.answer_tokens)),
        }
        return request.model_copy(update=known)

    def cluster(self, holders: frozenset[NodeId] = frozenset()) -> ClusterView:
        """The PCs of this cluster as they are now; `holders` have the model in question."""
        status = self._bus.status
        own = own_resources(status.node, status.engine, self._lending.offers(), status.node.id in holders)
        peers = (peer_resources(peer, peer.node in holders) for peer in status.peers)
        nodes = (own, *(each for each in peers if each is not None))
        return ClusterView(this_node=status.node.id, nodes=nodes, links=links_of(status))

    def _view(self, model: ModelFile, shape: ModelShape, is_here: bool = False) -> ClusterView:
        status = self._bus.status
        here = self._library.same(model) or (model if is_here else None)
        encoders = self._models.encoders(model)
        if here is not None and here.encoder is not None:
            encoders[status.node.id] = here.encoder
        own = {status.node.id} if here is not None else set()
        view = with_encoders(self.cluster(self._models.holders(model) | own), encoders)
        told: dict[Any, tuple[DeviceSpeed, ...]] = {
            peer.node: peer.report.speeds for peer in status.peers if peer.report is not None
        }
        measured = for_model(view, shape, {**told, status.node.id: self._speeds.current})
        known = self._corrections.with_corrections(self._with_model(measured, model))
        return known.model_copy(update={"beyond_bytes": self._beyond(known, model)})

    def _beyond(self, view: ClusterView, model: ModelFile) -> int:
        """What the engines of the PCs that may be the head said of the model's memory, whoever asked them."""
        told = [*self._excesses.current]
        told += (each for peer in self._bus.status.peers if peer.report is not None for each in peer.report.excesses)
        return beyond_of(told, model, {node.engine_build for node in view.nodes if node.holds_model})

    def _with_model(self, view: ClusterView, model: ModelFile) -> ClusterView:
        status = self._bus.status
        kept = {peer.node: peer.report.kept for peer in status.peers if peer.report is not None}
        free = status.load.ram_free_bytes if status.load is not None else 0
        in_ram = {status.node.id} if self._read.has(model.id, free) else set()
        return with_model(view, model, {**kept, status.node.id: self._lending.kept}, in_ram)


def is_another(plan: Plan, before: Plan) -> bool:
    """PURE: whether two plans of a model lie differently or have another context."""

    def placed(one: Plan) -> tuple[object, ...]:
        return (one.ranges, one.expert_layers, one.context, one.encoder.device if one.encoder is not None else None)

    return placed(plan) != placed(before)


def drafts_on(disks: Iterable[tuple[NodeId, EngineBuild | None, Iterable[ModelFile]]]) -> tuple[Draft, ...]:
    """PURE: the models that may draft, by PC, its engine and its models: only where the engine can do it."""
    shapes: dict[tuple[ModelId, int], ModelShape] = {}
    holders: dict[tuple[ModelId, int], set[NodeId]] = {}
    for node, build, models in disks:
        if build is None or not can_guess(build, with_draft=True):
            continue
        for model in models:
            if model.shape is not None and model.problem is None:
                shapes[model.id, model.size_bytes] = model.shape
                holders.setdefault((model.id, model.size_bytes), set()).add(node)
    return tuple(Draft(key[0], shape, frozenset(holders[key])) for key, shape in shapes.items())


def timings_in(tail: bytes) -> Timings | None:
    """PURE: the figures at the end of an answer, streamed or whole; None when there are none."""
    for line in reversed(tail.split(b"\n")):
        text = line.removeprefix(b"data:").strip()
        start = text.find(b'"timings":')
        if start < 0:
            continue
        try:
            rest = text[start + len(b'"timings":') :].decode("utf-8", "replace").lstrip()
            figures, _ = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            return None
        return _timings(figures)
    return None


def _timings(figures: Any) -> Timings | None:
    if not isinstance(figures, dict):
        return None
    prompt, answer = figures.get("prompt_n"), figures.get("predicted_n")
    if not isinstance(prompt, int) or not isinstance(answer, int):
        return None
    return Timings(prompt, answer, _speed(figures, "prompt_per_second"), _speed(figures, "predicted_per_second"))


def _speed(figures: dict[str, Any], name: str) -> float | None:
    found = figures.get(name)
    return float(found) if isinstance(found, int | float) and found > 0 else None
