"""PURE: what a quantization means for the person who chooses a file."""

from app.schema.quantization import Quality, quality_of
from app.ui.words import Phrase, tr

_WORDS = {
    Quality.AS_TRAINED: tr("as trained"),
    Quality.NEARLY_LOSSLESS: tr("nearly lossless"),
    Quality.VERY_GOOD: tr("very good"),
    Quality.BALANCED: tr("good balance"),
    Quality.GOOD: tr("good, small"),
    Quality.SMALLER: tr("small, some loss"),
    Quality.POOR: tr("smallest, clear loss"),
}


def meaning(quantization: str | None) -> Phrase | None:
    """`Q4_K_M` is `recommended`, `Q8_0` is `nearly lossless`; None for a name nobody has described."""
    if quality_of(quantization) is Quality.BALANCED:
        return tr("recommended")
    return quality(quantization)


def quality(quantization: str | None) -> Phrase | None:
    """As `meaning`, where something else than the name says which file is recommended."""
    known = quality_of(quantization)
    return _WORDS[known] if known is not None else None
