"""The speed to expect of a placement."""

from dataclasses import replace
from itertools import accumulate, pairwise

from app.planner.memory import Demand
from app.planner.search import Placement
from app.planner.speed import Hop, Mix, StageCost, Timing, Work, load_seconds, repriced, timing
from app.schema.plan import Prediction


def timed(placement: Placement, mix: Mix) -> Timing:
    """Seconds of a decode step and of a prompt on a placement."""
    return timing(placement.costs, placement.counts, mix, pipelined=placement.pipelined, spilled=placement.spilled)


def predict(placement: Placement, demand: Demand, work: Work) -> Prediction | None:
    """The prediction for a placement; None when no device in it was ever measured."""
    mix, found = work.mix, timed(placement, work.mix)
    if not any(cost.pace.is_known for cost in placement.costs) or found.step <= 0.0 or found.prompt <= 0.0:
        return None
    return Prediction(
        prompt_tokens=mix.prompt,
        answer_tokens=mix.answer,
        decode=1.0 / found.step,
        prefill=mix.prompt / found.prompt,
        first_token=found.prompt,
        answer=found.prompt + mix.answer * found.step,
        load=_load(placement, demand),
        conversations=mix.slots,
        throughput=mix.slots * mix.answer / found.exchange(mix) if mix.slots > 1 else None,
        is_measured=not any(placement.spilled) and all(_is_measured(cost) for cost in placement.costs),
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
    if all(_is_uncorrected(cost) for cost in placement.costs):
        return None
    plain = replace(placement, costs=tuple(repriced(cost, work, corrected=False) for cost in placement.costs))
    return found.exchange(work.mix) / timed(plain, work.mix).exchange(work.mix)


def _is_uncorrected(cost: StageCost) -> bool:
    factors = (cost.pace, cost.hop, cost.spill.processor if cost.spill else None)
    return all(each is None or each.correction == 1.0 for each in factors)
