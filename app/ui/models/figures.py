"""PURE: what `app.ui.parts.sizes` says, with `-` for what is unknown, and the figures only models have."""

from app.ui.parts.sizes import seconds_text, size_text, speed_text
from app.ui.words import Phrase, tr, verbatim

UNKNOWN = verbatim("-")

_MEBI, _GIBI = 1 << 20, 1 << 30


def size(count: int | None) -> Phrase:
    """Bytes: `7.9 MB`, `21.3 GB`."""
    return UNKNOWN if count is None else size_text(count)


def duration(seconds: float | None) -> Phrase:
    """Seconds: `0.4 s`, `3 min`."""
    return UNKNOWN if seconds is None else seconds_text(max(0.0, seconds))


def speed(rate: float | None, is_measured: bool = True) -> Phrase:
    """Tokens per second: `21 tok/s`, or `~21 tok/s` when a part of it is estimated."""
    if rate is None:
        return UNKNOWN
    return speed_text(rate) if is_measured else tr("~{speed}", speed=speed_text(rate))


def missing(count: int) -> Phrase:
    """Bytes that are missing, rounded up to a tenth: a shortage is never told too small."""
    unit = _GIBI if count >= _GIBI - _MEBI else _MEBI
    tenths = -(-count * 10 // unit)
    amount = f"{tenths // 10}.{tenths % 10}".removesuffix(".0")
    return tr("{size} GB", size=amount) if unit == _GIBI else tr("{size} MB", size=amount)


def parameters(count: int) -> str:
    """A number of weights: `137M`, `1.5B`, `33B`, `1.2T`."""
    for value, unit in ((count / 1e12, "T"), (count / 1e9, "B"), (count / 1e6, "M")):
        if value >= 1:
            return f"{value:.1f}".removesuffix(".0") + unit if value < 9.95 else f"{value:.0f}{unit}"
    return f"{count / 1e3:.0f}K"
