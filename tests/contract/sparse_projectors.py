"""Projector files (mmproj) of real proportions that take no room on disk: whole headers, holes for the weights.

Widths are those of known models; two blocks are enough, as the compute buffer does not grow with their number. Names
and sizes are those `clip_model_loader` of llama.cpp b11434 asks for.
"""

from collections.abc import Callable
from pathlib import Path

import gguf

from tests.contract.sparse_models import SparseModel

F16, F32 = gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32
BLOCKS = 2


class SparseProjector(SparseModel):
    """A vision tower of two blocks under construction; `text` is the width of the model it belongs to."""

    def __init__(
        self,
        path: Path,
        kind: str,
        *,
        picture: int,
        patch: int,
        width: int,
        forward: int,
        heads: int,
        text: int,
        **keys: object,
    ) -> None:
        super().__init__(
            path,
            "clip",
            has_vision_encoder=True,
            projector_type=kind,
            vision__image_size=picture,
            vision__patch_size=patch,
            vision__embedding_length=width,
            vision__feed_forward_length=forward,
            vision__block_count=BLOCKS,
            vision__projection_dim=text,
            vision__attention__head_count=heads,
            vision__attention__layer_norm_epsilon=1e-6,
            vision__image_mean=[0.5, 0.5, 0.5],
            vision__image_std=[0.5, 0.5, 0.5],
            **({"use_gelu": True} | keys),
        )
        self.width = width
        self.tensor("v.patch_embd.weight", patch, patch, 3, width, kind=F16)
        for block in range(BLOCKS):
            self._block(f"v.blk.{block}", width, forward)

    def _block(self, name: str, width: int, forward: int) -> None:
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            self.linear(f"{name}.{part}", width, width)
        self.linear(f"{name}.ffn_up", width, forward)
        self.linear(f"{name}.ffn_down", forward, width)
        for norm in ("ln1", "ln2"):
            self.norm(f"{name}.{norm}", width)

    def gates(self, width: int, forward: int) -> None:
        """The gate of each block's feed-forward part."""
        for block in range(BLOCKS):
            self.linear(f"v.blk.{block}.ffn_gate", width, forward)

    def linear(self, name: str, ins: int, outs: int) -> None:
        """A matrix and its bias."""
        self.tensor(f"{name}.weight", ins, outs, kind=F16)
        self.tensor(f"{name}.bias", outs)

    def norm(self, name: str, width: int) -> None:
        """Scale and shift of a norm."""
        self.tensor(f"{name}.weight", width)
        self.tensor(f"{name}.bias", width)

    def positions(self, count: int) -> None:
        """Learned positions."""
        self.tensor("v.position_embd.weight", self.width, count, kind=F32)


def llava(path: Path, text: int) -> Path:
    """CLIP ViT-L at 336 pixels with two linear layers: LLaVA 1.5."""
    tower = SparseProjector(path, "mlp", picture=336, patch=14, width=1024, forward=4096, heads=16, text=text)
    tower.tensor("v.class_embd", 1024)
    tower.positions(577)
    tower.norm("v.pre_ln", 1024)
    tower.linear("mm.0", 1024, text)
    tower.linear("mm.2", text, text)
    return tower.close()


def gemma3(path: Path, text: int) -> Path:
    """SigLIP at 896 pixels: Gemma 3."""
    tower = SparseProjector(path, "gemma3", picture=896, patch=14, width=1152, forward=4304, heads=16, text=text)
    tower.positions(4096)
    tower.norm("v.post_ln", 1152)
    tower.tensor("mm.input_projection.weight", text, 1152, kind=F16)
    tower.tensor("mm.soft_emb_norm.weight", 1152)
    return tower.close()


def gemma4(path: Path, text: int) -> Path:
    """Any size of picture, gates, nine patches to a token: Gemma 4."""
    keys = {"use_gelu": False, "use_silu": True}
    tower = SparseProjector(
        path, "gemma4v", picture=224, patch=16, width=1152, forward=4304, heads=16, text=text, **keys
    )
    tower.gates(1152, 4304)
    tower.tensor("v.position_embd.weight", 1152, 10240, 2, kind=F32)
    tower.tensor("mm.input_projection.weight", 1152, text, kind=F16)
    return tower.close()


def qwen2vl(path: Path, text: int) -> Path:
    """Any size of picture, four patches to a token: Qwen2-VL."""
    tower = SparseProjector(
        path, "qwen2vl_merger", picture=560, patch=14, width=1280, forward=5120, heads=16, text=text
    )
    return _merger(tower, text)


def qwen25vl(path: Path, text: int) -> Path:
    """The same with windows and gates: Qwen2.5-VL."""
    keys = {"vision__n_wa_pattern": 8, "use_gelu": False, "use_silu": True}
    tower = SparseProjector(
        path, "qwen2.5vl_merger", picture=560, patch=14, width=1280, forward=3420, heads=16, text=text, **keys
    )
    tower.gates(1280, 3420)
    return _merger(tower, text)


def _merger(tower: SparseProjector, text: int) -> Path:
    tower.tensor("v.patch_embd.weight.1", 14, 14, 3, tower.width, kind=F16)
    tower.norm("v.post_ln", tower.width)
    tower.linear("mm.0", 4 * tower.width, 4 * tower.width)
    tower.linear("mm.2", 4 * tower.width, text)
    return tower.close()


def pixtral(path: Path, text: int) -> Path:
    """Rotary positions, gates: Pixtral 12B."""
    keys = {"use_gelu": False, "use_silu": True}
    tower = SparseProjector(
        path, "pixtral", picture=1024, patch=16, width=1024, forward=4096, heads=16, text=text, **keys
    )
    tower.gates(1024, 4096)
    tower.norm("v.pre_ln", 1024)
    tower.linear("mm.1", 1024, text)
    tower.linear("mm.2", text, text)
    tower.tensor("v.token_embd.img_break", text)
    return tower.close()


PROJECTORS: dict[str, Callable[[Path, int], Path]] = {
    "llava": llava,
    "gemma3": gemma3,
    "gemma4": gemma4,
    "qwen2vl": qwen2vl,
    "qwen2.5vl": qwen25vl,
    "pixtral": pixtral,
}
