"""The speed to expect of a placement."""

from dataclasses import replace
from itertools import accumulate, pairwise

from app.planner.memory import Demand
from app.planner.search import Placement
from app.planner.speed import Hop, Mix, StageCost, Timing, Work, block_times, load_seconds, stage_cost, timing
from app.schema.plan import Prediction


def timed(placement: Placement, mix: Mix) -> Timing:
    """Seconds of a decode step and of a prompt on a placement."""
    return timing(placement.costs, placement.counts, mix, pipelined=placement.pipelined)


def predict(placement: Placement, demand: Demand, work: Work) -> Prediction | None:
    """The prediction for a placement; None when no device in it was ever measured."""
    if not any(cost.pace.is_known for cost in placement.costs):
        return None
    mix, found = work.mix, timed(placement, work.mix)
    return Prediction(
        prompt_tokens=mix.prompt,
        answer_tokens=mix.answer,
        decode=1.0 / found.step,
        prefill=mix.prompt / found.prompt,
        first_token=found.prompt,
        answer=found.prompt + mix.answer * found.step,
        load=_load(placement, demand),
        is_measured=all(_is_measured(cost) for cost in placement.costs),
        corrected_by=_corrected_by(placement, work, found),
    )


def _is_measured(cost: StageCost) -> bool:
    return cost.pace.is_measured and (cost.hop is None or cost.hop.is_measured)


def _load(placement: Placement, demand: Demand) -> float:
    ends = list(accumulate(placement.counts, initial=0))
    weights = [demand.weights[end] - demand.weights[first] for first, end in pairwise(ends)]
    weights[-1] += demand.output_bytes
    local = demand.head_ram_bytes
    remote: list[tuple[Hop, int]] = []
    for cost, count in zip(placement.costs, weights, strict=True):
        if cost.hop is None:
            local += count
        else:
            remote.append((cost.hop, count))
    return load_seconds(local, remote)


def _corrected_by(placement: Placement, work: Work, found: Timing) -> float | None:
    """How many times longer the exchange is expected to take because of what earlier runs taught; None without any."""
    plain = tuple(_uncorrected(cost, work) for cost in placement.costs)
    if plain == placement.costs:
        return None
    before = timing(plain, placement.counts, work.mix, pipelined=placement.pipelined)
    return found.exchange(work.mix) / before.exchange(work.mix)


def _uncorrected(cost: StageCost, work: Work) -> StageCost:
    hop = None if cost.hop is None else replace(cost.hop, correction=1.0)
    return stage_cost(work, block_times(work, replace(cost.pace, correction=1.0)), hop)
