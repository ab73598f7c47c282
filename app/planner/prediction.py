"""The speed to expect of a placement."""

from dataclasses import replace
from itertools import accumulate, pairwise

from app.planner.loading import LoadTime, Transfer, kept_bytes, large_bytes, load_time
from app.planner.memory import Demand
from app.planner.placement import Placement
from app.planner.speed import Mix, StageCost, Timing, Work, repriced, timing
from app.schema.plan import LoadKind, Prediction


def timed(placement: Placement, mix: Mix) -> Timing:
    """Seconds of a decode step and of a prompt on a placement."""
    return timing(placement.costs, placement.counts, mix, pipelined=placement.pipelined, spilled=placement.spilled)


def rate(mix: Mix, found: Timing) -> float:
    """Tokens/s of the answer of one conversation; of several, of all together from the first question on."""
    return 1.0 / found.step if mix.slots == 1 else mix.slots * mix.answer / found.exchange(mix)


def predict(placement: Placement, demand: Demand, work: Work) -> Prediction | None:
    """The prediction for a placement; None when no device in it was ever measured."""
    mix, found = work.mix, timed(placement, work.mix)
    if not any(cost.pace.is_known for cost in placement.costs) or found.step <= 0.0 or found.prompt <= 0.0:
        return None
    load = _load(placement, demand)
    load_factor = _load_factor(placement, load.kind)
    return Prediction(
        prompt_tokens=mix.prompt,
        answer_tokens=mix.answer,
        decode=1.0 / found.step,
        prefill=mix.prompt / found.prompt,
        first_token=found.prompt,
        answer=found.prompt + mix.answer * found.step,
        load=load.seconds * (load_factor or 1.0),
        load_kind=load.kind,
        load_corrected_by=load_factor,
        conversations=mix.slots,
        throughput=rate(mix, found) if mix.slots > 1 else None,
        is_measured=not any(placement.spilled) and all(_is_measured(cost) for cost in placement.costs),
        corrected_by=_corrected_by(placement, work, found),
    )


def _is_measured(cost: StageCost) -> bool:
    return cost.pace.is_measured and (cost.hop is None or cost.hop.is_measured)


def _load(placement: Placement, demand: Demand) -> LoadTime:
    ends = list(accumulate(placement.counts, initial=0))
    last = len(placement.counts) - 1
    encoder = placement.head.encoder
    local, transfers = demand.head_ram_bytes + (encoder.weights if encoder is not None else 0), []
    for i, (offer, cost, (first, end)) in enumerate(
        zip(placement.offers, placement.costs, pairwise(ends), strict=True)
    ):
        output = i == last
        count = demand.weights[end] - demand.weights[first] + (demand.output_bytes if output else 0)
        if cost.hop is None:
            local += count
            continue
        large = large_bytes(demand, first, end, output=output)
        kept = kept_bytes(demand, offer, first, end, output=output)
        transfers.append(Transfer(cost.hop, count, large, kept, saves=offer.node.kept is not None))
    return load_time(local, transfers, in_ram=placement.head.node.has_in_ram)


def _load_factor(placement: Placement, kind: LoadKind) -> float | None:
    """What earlier launches of this kind on this placement taught, None without any."""
    devices = tuple(sorted({f"{offer.node.node}/{offer.device.device}" for offer in placement.offers}))
    found = (each for each in placement.head.node.loads if (each.devices, each.kind) == (devices, kind))
    return next((each.factor for each in found), None)


def _corrected_by(placement: Placement, work: Work, found: Timing) -> float | None:
    """How many times longer the exchange is expected to take because of what earlier runs taught; None without any."""
    if all(_is_uncorrected(cost) for cost in placement.costs):
        return None
    plain = replace(placement, costs=tuple(repriced(cost, work, corrected=False) for cost in placement.costs))
    return found.exchange(work.mix) / timed(plain, work.mix).exchange(work.mix)


def _is_uncorrected(cost: StageCost) -> bool:
    factors = (cost.pace, cost.hop, cost.spill.processor if cost.spill else None)
    return all(each is None or each.correction == 1.0 for each in factors)
