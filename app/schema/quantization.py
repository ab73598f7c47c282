"""PURE: what the name of a quantization means to the person who chooses a file."""

import re
from enum import StrEnum


class Quality(StrEnum):
    """How much of a model is left, best first. BALANCED is the usual compromise of size and quality."""

    AS_TRAINED = "as trained"
    NEARLY_LOSSLESS = "nearly lossless"
    VERY_GOOD = "very good"
    BALANCED = "good balance"
    GOOD = "good, small"
    SMALLER = "small, some loss"
    POOR = "smallest, clear loss"


_EXACT = {
    "F32": Quality.AS_TRAINED,
    "F16": Quality.AS_TRAINED,
    "BF16": Quality.AS_TRAINED,
    "FP32": Quality.AS_TRAINED,
    "FP16": Quality.AS_TRAINED,
    "Q4_K_M": Quality.BALANCED,
    "Q4_K_L": Quality.BALANCED,
    "Q4_K_XL": Quality.BALANCED,
    "MXFP4": Quality.BALANCED,
    "MXFP4_MOE": Quality.BALANCED,
}
"""MXFP4 is the format gpt-oss was trained in: https://huggingface.co/openai/gpt-oss-20b."""

_BY_BITS = {
    8: Quality.NEARLY_LOSSLESS,
    6: Quality.VERY_GOOD,
    5: Quality.VERY_GOOD,
    4: Quality.GOOD,
    3: Quality.SMALLER,
    2: Quality.POOR,
    1: Quality.POOR,
}
"""After the perplexity table of llama.cpp's `tools/quantize/README.md`: the loss grows with every bit taken away."""

_BITS = re.compile(r"(?:I?Q|TQ)(\d)")

_AT_END = re.compile(
    r"(?:^|[-._ /])((?:ud[-._])?(?:i?q\d[a-z0-9_]*|tq\d_\d|bf16|f16|f32|fp16|fp32|mxfp4[a-z0-9_]*|nvfp4))$", re.I
)


def quality_of(quantization: str | None) -> Quality | None:
    """`Q4_K_M` is a good balance, `Q8_0` nearly lossless; None for a name nobody has described."""
    if quantization is None:
        return None
    name = quantization.upper().removeprefix("UD-")
    found = _BITS.match(name)
    return _EXACT.get(name) or (_BY_BITS.get(int(found[1])) if found else None)


def quantization_in(name: str) -> str | None:
    """The quantization at the end of a file's or folder's name, in capitals (`UD-Q4_K_XL`); None without one."""
    found = _AT_END.search(name)
    return found[1].upper().replace("UD_", "UD-").replace("UD.", "UD-") if found else None


def without_quantization(name: str) -> str:
    """A file's name without the quantization at its end."""
    found = _AT_END.search(name)
    return (name[: found.start()] if found else name) or name
