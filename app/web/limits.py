"""PURE: how long a site wants to be left alone, and the words for it."""

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_RATE_LIMIT = re.compile(r"r=0\b.*?\bt=(\d{1,9})\b")


def seconds_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    """How long a rate limit lasts: `retry-after` (seconds or a date), `x-ratelimit-reset` (epoch seconds), `ratelimit`.

    The second is GitHub's (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api), the third
    Hugging Face's (`"api";r=0;t=55`, https://huggingface.co/docs/hub/rate-limits). None when nothing is told.
    """
    after = headers.get("retry-after", "").strip()
    if after.isdecimal():
        return float(after)
    if after:
        with contextlib.suppress(ValueError, TypeError):
            return max(0.0, parsedate_to_datetime(after).timestamp() - now)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isdecimal() and headers.get("x-ratelimit-remaining", "0").strip() == "0":
        return max(0.0, float(reset) - now)
    told = _RATE_LIMIT.search(headers.get("ratelimit", ""))
    return float(told[1]) if told else None


def when(now: float, wait: float) -> str:
    """A wait as people say it: `after 14:05, in 12 minutes`."""
    try:
        clock = datetime.fromtimestamp(now + wait).astimezone()
    except (OverflowError, OSError, ValueError):
        return "tomorrow"
    minutes = max(1, round(wait / 60))
    return f"after {clock:%H:%M}, in {minutes} minute{'s' if minutes > 1 else ''}"
