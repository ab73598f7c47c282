"""PURE: what a quantization means for the person who chooses a file."""

import re

from app.ui.words import Phrase, tr

_FULL = tr("as trained")
_NEARLY = tr("nearly lossless")
_VERY_GOOD = tr("very good")
_RECOMMENDED = tr("recommended")
_GOOD = tr("good, small")
_SMALLER = tr("small, some loss")
_POOR = tr("smallest, clear loss")

_EXACT = {
    "F32": _FULL,
    "F16": _FULL,
    "BF16": _FULL,
    "Q4_K_M": _RECOMMENDED,
    "Q4_K_L": _RECOMMENDED,
    "Q4_K_XL": _RECOMMENDED,
    "MXFP4": _RECOMMENDED,
    "MXFP4_MOE": _RECOMMENDED,
}
"""MXFP4 is the format gpt-oss was trained in: https://huggingface.co/openai/gpt-oss-20b."""

_BY_BITS = {8: _NEARLY, 6: _VERY_GOOD, 5: _VERY_GOOD, 4: _GOOD, 3: _SMALLER, 2: _POOR, 1: _POOR}
"""After the perplexity table of llama.cpp's `tools/quantize/README.md`: the loss grows with every bit taken away."""

_BITS = re.compile(r"^(?:I?Q|TQ)(\d)")


def meaning(quantization: str | None) -> Phrase | None:
    """`Q4_K_M` is `recommended`, `Q8_0` is `nearly lossless`; None for a name nobody has described."""
    if quantization is None:
        return None
    name = quantization.upper().removeprefix("UD-")
    if name in _EXACT:
        return _EXACT[name]
    found = _BITS.match(name)
    return _BY_BITS.get(int(found.group(1))) if found else None


_SUFFIX = re.compile(
    r"[-._ ](?:ud[-._])?(?:i?q\d[a-z0-9_]*|tq\d_\d|bf16|f16|f32|fp16|fp32|mxfp4[a-z0-9_]*|nvfp4)$", re.I
)


def without_quantization(name: str) -> str:
    """A file's name without the quantization at its end, which is shown beside it."""
    return _SUFFIX.sub("", name) or name
