"""What of a projector file (mmproj) decides the memory of its encoders.

Source: `clip_model_loader::load_hparams` of llama.cpp b11434 (`tools/mtmd/clip.cpp`): the size of the picture that each
kind is warmed up with, for which the engine reserves its compute buffer.
"""

from collections.abc import Iterable
from typing import Final

from app.modelstore.metadata import Metadata
from app.schema.model import EncoderShape, Tower

_SIDES: Final = {
    **dict.fromkeys(("qwen2vl_merger", "qwen2.5vl_merger", "qwen2.5o", "qwen3vl_merger", "ling3vl"), (46, 2)),
    **dict.fromkeys(("glm4v", "glm5v", "mimovl", "exaone4_5"), (46, 2)),
    **dict.fromkeys(("dots_ocr", "dots3note_v"), (46, 1)),
    **dict.fromkeys(("pixtral", "lightonocr", "kimivl", "phi4", "deepseek4v"), (16, 1)),
    **dict.fromkeys(("youtuvl", "minimax_m3", "lfm2"), (16, 2)),
    "gemma4v": (16, 3),
    "gemma4uv": (16, 3),
    "paddleocr": (28, 2),
    "kimik25": (64, 2),
    **dict.fromkeys(("hunyuanvl", "muse-glimmer"), (32, 2)),
}
"""Tokens per side of the picture a kind is warmed up with, and the patches per side that make a token unless the file
says so. Kinds that are not here take the picture at `image_size`."""

_COLOURS: Final = 3

_SOUND_PATCHES: Final = 1500
"""Positions of 30 seconds of sound, what the encoders of Whisper's kind take at once."""


def encoder_shape(metadata: Metadata, tensors: Iterable[str], weight_bytes: int) -> EncoderShape:
    """The encoders of a projector file with these tensors. Raises GgufHostile for keys of a wrong type."""
    gated = {name.split(".", 1)[0] for name in tensors if ".ffn_gate." in name}
    towers = [_vision(metadata, "v" in gated)] if metadata.general("clip.has_vision_encoder") is not False else []
    if metadata.general("clip.has_audio_encoder") is True:
        towers.append(_tower(metadata, "audio", patches=_SOUND_PATCHES, gated="a" in gated))
    known = tuple(tower for tower in towers if tower is not None)
    return EncoderShape(weight_bytes=weight_bytes, towers=known if known and len(known) == len(towers) else None)


def _vision(metadata: Metadata, gated: bool) -> Tower | None:
    patch = metadata.number("vision.patch_size") or 0
    kind = metadata.text("clip.projector_type") or metadata.text("clip.vision.projector_type") or ""
    found = _SIDES.get(kind)
    if found is None:
        side = (metadata.number("vision.image_size") or 0) // patch if patch else 0
    else:
        tokens, merged = found
        stated = metadata.number("vision.spatial_merge_size") or metadata.number("vision.projector.scale_factor")
        side = tokens * (stated or merged)
    windowed = kind in {"qwen2.5vl_merger", "qwen2.5o", "exaone4_5"} and bool(metadata.number("vision.n_wa_pattern"))
    facts = {"pixels": _COLOURS * patch * patch, "gated": gated, "windowed": windowed}
    return _tower(metadata, "vision", patches=side * side, **facts)


def _tower(metadata: Metadata, prefix: str, *, patches: int, **facts: int) -> Tower | None:
    width = metadata.number(f"{prefix}.embedding_length")
    if not patches or not width:
        return None
    forward = metadata.number(f"{prefix}.feed_forward_length") or 4 * width
    return Tower.model_validate({"patches": patches, "width": width, "feed_forward": forward, **facts})
