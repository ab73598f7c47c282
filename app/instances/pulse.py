"""Whether a llama-server that is ready still computes: a frozen worker or driver makes it wait for ever, silently.

`/health` says ok all the same. `/slots` tells how many tokens of each prompt and answer are done; some builds answer it
between two batches only. So the same words, or none, for far longer than a batch takes mean that nothing comes.
"""

import asyncio
import json
from dataclasses import dataclass

import httpx

from app.engine.commands import BATCH
from app.schema.plan import Plan
from app.system.loopback_http import loopback_client

PERIOD_SECONDS = 15.0
"""From an answer to the next question: more than one a second would keep the engine from seeing who hangs up."""

LOOK_SECONDS = 1.0
LEAST_SECONDS = 120.0

PICTURE_SECONDS = 900.0
"""Least patience where pictures are encoded, all of a question's before the next answer, maybe by a processor."""

UNKNOWN_SECONDS = 1800.0
"""Patience where nobody predicted how long a batch takes."""

_PROMPT = "n_prompt_tokens_processed"
"""Builds that do not tell this show no movement in a long prompt."""

TIMES = 10
"""How many times longer than predicted a batch may take."""


@dataclass(frozen=True)
class Pace:
    """Seconds between questions, between looks for an answer, and without movement until an engine hangs."""

    period: float
    look: float
    patience: float


def pace_of(plan: Plan) -> Pace:
    """PURE: how long an engine with that plan may stand still."""
    told = plan.prediction
    batch = TIMES * BATCH / told.prefill if told is not None and told.prefill > 0 else UNKNOWN_SECONDS
    least = PICTURE_SECONDS if plan.encoder is not None else LEAST_SECONDS
    return Pace(PERIOD_SECONDS, LOOK_SECONDS, max(batch, least))


async def until_still(url: str, api_key: str, pace: Pace) -> None:
    """Return when the engine has shown no movement for that long although it has work; never where it cannot tell.

    Seconds are counted by looks: the hours that a PC sleeps are one of them.
    """
    headers = {"Authorization": f"Bearer {api_key}"}
    still, before = 0.0, ""
    async with loopback_client(timeout=None, headers=headers) as client:
        while still < pace.patience:
            await asyncio.sleep(pace.period)
            told = await _told(client, url, pace.look, pace.patience - still)
            if told is None:
                return
            still = still + pace.period if told == before and has_work(told) else 0.0
            before = told


async def _told(client: httpx.AsyncClient, url: str, look: float, patience: float) -> str | None:
    """What the engine says of its slots; None when it says nothing. One that refuses or has ended says "" at once."""
    asking = asyncio.create_task(client.get(f"{url}/slots"), name="pulse of the head")
    try:
        for _ in range(max(round(patience / look), 1)):
            if (await asyncio.wait([asking], timeout=look))[0]:
                break
        else:
            return None
        answer = None if asking.exception() is not None else asking.result()
        return answer.text if answer is not None and answer.status_code == httpx.codes.OK else ""
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


def has_work(told: str) -> bool:
    """PURE: whether a slot works on something, as far as it would also tell how far it is with a prompt."""
    try:
        slots = json.loads(told)
    except ValueError:
        return False
    known = [each for each in slots if isinstance(each, dict)] if isinstance(slots, list) else []
    return any(each.get("is_processing") is True and _PROMPT in each for each in known)
