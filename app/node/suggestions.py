"""Tells when a running model would be faster on another split by now: PCs came, or what was measured says so."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from app.node.bus import Bus
from app.node.corrections import better_split, exchange_seconds
from app.schema.errors import CaravanError
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Status
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import InstanceId

LOOK_SECONDS = 60.0

PlanWithout = Callable[[PlanRequest, Iterable[InstanceStatus]], Awaitable[Plan | Refusal]]


def learned(plan: Plan, factor: float) -> Plan:
    """PURE: the plan with the speed it turned out to have: `factor` times longer than the bare cost model says."""
    told = plan.prediction
    if told is None:
        return plan
    late = factor / (told.corrected_by or 1.0)
    changes = {"decode": told.decode / late, "prefill": told.prefill / late, "corrected_by": factor}
    return plan.model_copy(update={"prediction": told.model_copy(update=changes)})


def suggestion(current: Plan, candidate: Plan) -> str | None:
    """PURE: a sentence on a split that is worth moving to, None when it is not. Both speeds as they are known now."""
    now, then = current.prediction, candidate.prediction
    if now is None or then is None or not better_split(current, candidate):
        return None
    before, after = (exchange_seconds(each, now.prompt_tokens, now.answer_tokens) for each in (now, then))
    names = list(dict.fromkeys(stage.node_name for stage in candidate.stages))
    where = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    gain = round((before / after - 1) * 100)
    return f"Launched again it would answer {gain} % faster, on {where} ({then.decode:.1f} tok/s)."


def wishes_of(status: Status, instance: InstanceStatus) -> PlanRequest | None:
    """PURE: what to plan for instead, with the same context, slots and typical exchange, so that both speeds can be
    compared; None where the user set the split.
    """
    plan, last = instance.plan, status.last_launch(instance.model_id)
    asked = last.wishes if last is not None else PlanRequest(model_id=instance.model_id)
    if asked.shares:
        return None
    known = {"model_id": instance.model_id, "context": plan.context, "slots": plan.slots, "kv_type": plan.kv_type}
    told = plan.prediction
    mix = {"prompt_tokens": told.prompt_tokens, "answer_tokens": told.answer_tokens} if told is not None else {}
    return asked.model_copy(update=known | mix)


class Suggestions:
    """Looks at the ready instances of this node once a minute, never at one that answers.

    `factor` is what earlier runs taught of a plan, `suggest` hears each new sentence, None when one no longer holds.
    """

    def __init__(
        self,
        bus: Bus,
        plan_without: PlanWithout,
        factor: Callable[[Plan], float],
        suggest: Callable[[InstanceId, str | None], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bus = bus
        self._plan_without = plan_without
        self._factor = factor
        self._suggest = suggest
        self._sleep = sleep

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._sleep(LOOK_SECONDS)
            for instance in self._bus.status.instances:
                if instance.state is InstanceState.READY and not instance.answering:
                    await self._look(instance)

    async def _look(self, instance: InstanceStatus) -> None:
        wishes = wishes_of(self._bus.status, instance)
        found = None
        if wishes is not None:
            try:
                answer = await self._plan_without(wishes, (instance,))
            except CaravanError:
                return
            if isinstance(answer, Plan):
                found = suggestion(learned(instance.plan, self._factor(instance.plan)), answer)
        if found != instance.better:
            self._suggest(instance.id, found)
