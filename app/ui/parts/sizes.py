"""PURE: numbers with units as people read them. Sizes are binary (1 GB is 2**30 bytes), as file managers show them."""

from app.ui.words import Phrase, tr

_KILO = 1024
_MINUTE, _HOUR = 60, 3600


def size_text(size: int) -> Phrase:
    """`820 MB`, `8.4 GB`, `24 GB`: at most three digits that matter."""
    gigabytes = size / _KILO**3
    if gigabytes >= 99.95:
        return tr("{size} GB", size=f"{gigabytes:.0f}")
    if gigabytes >= 0.95:
        return tr("{size} GB", size=_short(gigabytes))
    if size >= _KILO**2:
        return tr("{size} MB", size=round(size / _KILO**2))
    if size >= _KILO:
        return tr("{size} KB", size=round(size / _KILO))
    return tr("{size} bytes", size=size)


def rate_text(rate: float) -> Phrase:
    """A speed of bytes: `112 MB/s`; `rate` is bytes/s."""
    return tr("{size}/s", size=size_text(round(rate)))


def link_speed_text(rate: float) -> Phrase:
    """A link's speed as networks are named: `940 Mbit/s`, `2.3 Gbit/s`; `rate` is bytes/s, decimal."""
    bits = rate * 8
    if bits >= 0.995e9:
        return tr("{speed} Gbit/s", speed=_short(bits / 1e9))
    if bits >= 1e6:
        return tr("{speed} Mbit/s", speed=round(bits / 1e6))
    return tr("{speed} kbit/s", speed=round(bits / 1e3))


def milliseconds_text(seconds: float) -> Phrase:
    """A round trip: `0.4 ms`, `9 ms`."""
    milliseconds = seconds * 1000
    return tr("{number} ms", number=_short(milliseconds) if milliseconds < 9.95 else round(milliseconds))


def seconds_text(seconds: float) -> Phrase:
    """`0.9 s`, `47 s`, `3 min`, `1 h 20 min`."""
    if 0 < seconds < 0.05:
        return tr("under 0.1 s")
    if seconds < 9.95:
        return tr("{number} s", number=f"{seconds:.1f}")
    if seconds < _MINUTE - 0.5:
        return tr("{number} s", number=round(seconds))
    minutes = round(seconds / _MINUTE)
    if minutes < _MINUTE:
        return tr("{number} min", number=minutes)
    return tr("{hours} h {minutes} min", hours=minutes // _MINUTE, minutes=minutes % _MINUTE)


def speed_text(tokens: float) -> Phrase:
    """`21 tok/s`, `3.4 tok/s`."""
    return tr("{number} tok/s", number=f"{tokens:.1f}" if tokens < 9.95 else round(tokens))


def count_text(number: int) -> str:
    """`16 384`: thousands apart by a narrow space that does not break."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _short(number: float) -> str:
    text = f"{number:.1f}" if number < 99.95 else f"{number:.0f}"
    return text.removesuffix(".0")
