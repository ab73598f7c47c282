"""Model files of real proportions that take no room on disk: whole headers, and holes where the weights would be.

Names and sizes of the tensors are those `load_arch_tensors` of llama.cpp b11434 asks for. The engine's own memory
projection reads no weights, so such a file is as good as the model it stands for.
"""

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy

Q8 = gguf.GGMLQuantizationType.Q8_0
Q4 = gguf.GGMLQuantizationType.Q4_0
VOCABULARY = 151936


class SparseModel:
    """A header under construction. Tensor sizes are given as the engine counts them, the contiguous one first."""

    def __init__(self, path: Path, architecture: str, **keys: object) -> None:
        self.path = path
        self._end = 0
        self._writer = gguf.GGUFWriter(str(path), architecture)
        self._writer.add_tokenizer_model("no_vocab")
        self._writer.add_vocab_size(int(keys.pop("vocabulary", VOCABULARY)))  # type: ignore[call-overload]
        for key, value in keys.items():
            self._add_key(f"{architecture}.{key.replace('__', '.')}", value)

    def _add_key(self, key: str, value: object) -> None:
        if isinstance(value, bool):
            self._writer.add_bool(key, value)
        elif isinstance(value, str):
            self._writer.add_string(key, value)
        elif isinstance(value, float):
            self._writer.add_float32(key, value)
        elif isinstance(value, list):
            self._writer.add_array(key, value)
        else:
            self._writer.add_uint32(key, int(value))  # type: ignore[call-overload]

    def tensor(self, name: str, *sizes: int, kind: gguf.GGMLQuantizationType = Q8) -> None:
        """Weights of that type where the rows allow it, f32 for vectors and short rows."""
        if len(sizes) == 1 or sizes[0] % 32 or name.endswith((".ssm_a", ".ssm_conv1d.weight", "ffn_gate_inp.weight")):
            kind = gguf.GGMLQuantizationType.F32
        block, size = gguf.GGML_QUANT_SIZES[kind]
        count = int(numpy.prod(sizes)) // block * size
        self._writer.add_tensor_info(name, sizes[::-1], numpy.dtype(numpy.float32), count, raw_dtype=kind)
        self._end += gguf.GGUFWriter.ggml_pad(count, self._writer.data_alignment)

    def ends(self, width: int, vocabulary: int = VOCABULARY, *, tied: bool = False, norm: str = "output_norm") -> None:
        """Token embedding, output norm and, unless tied, the output layer."""
        self.tensor("token_embd.weight", width, vocabulary)
        self.tensor(f"{norm}.weight", width)
        if not tied:
            self.tensor("output.weight", width, vocabulary)

    def attention(self, block: int, width: int, queries: int, keys: int, *, norms: int = 0) -> None:
        """Input norm, queries, keys, values and output; per-head norms of that width when not 0."""
        self.tensor(f"blk.{block}.attn_norm.weight", width)
        self.tensor(f"blk.{block}.attn_q.weight", width, queries)
        self.tensor(f"blk.{block}.attn_k.weight", width, keys)
        self.tensor(f"blk.{block}.attn_v.weight", width, keys)
        self.tensor(f"blk.{block}.attn_output.weight", queries, width)
        for name in ("attn_q_norm", "attn_k_norm") if norms else ():
            self.tensor(f"blk.{block}.{name}.weight", norms)

    def dense(self, block: int, width: int, forward: int, *, norm: str | None = "ffn_norm") -> None:
        """A gated feed-forward network."""
        if norm:
            self.tensor(f"blk.{block}.{norm}.weight", width)
        self.tensor(f"blk.{block}.ffn_gate.weight", width, forward)
        self.tensor(f"blk.{block}.ffn_up.weight", width, forward)
        self.tensor(f"blk.{block}.ffn_down.weight", forward, width)

    def experts(self, block: int, width: int, forward: int, count: int, *, shared: int = 0, norm: str | None) -> None:
        """A mixture of experts; `shared` is the width of what every token passes."""
        if norm:
            self.tensor(f"blk.{block}.{norm}.weight", width)
        self.tensor(f"blk.{block}.ffn_gate_inp.weight", width, count)
        self.tensor(f"blk.{block}.ffn_gate_exps.weight", width, forward, count, kind=Q4)
        self.tensor(f"blk.{block}.ffn_up_exps.weight", width, forward, count, kind=Q4)
        self.tensor(f"blk.{block}.ffn_down_exps.weight", forward, width, count, kind=Q4)
        if shared:
            self.tensor(f"blk.{block}.ffn_gate_shexp.weight", width, shared)
            self.tensor(f"blk.{block}.ffn_up_shexp.weight", width, shared)
            self.tensor(f"blk.{block}.ffn_down_shexp.weight", shared, width)

    def close(self) -> Path:
        """Write the header and leave holes for the weights."""
        self._writer.write_header_to_file()
        self._writer.write_kv_data_to_file()
        self._writer.write_ti_data_to_file()
        self._writer.close()
        start = gguf.GGUFWriter.ggml_pad(self.path.stat().st_size, self._writer.data_alignment)
        with open(self.path, "r+b") as file:
            file.truncate(start + self._end)
        return self.path


def _known(layers: int, width: int, forward: int, heads: int, groups: int, **more: object) -> dict[str, object]:
    return {
        "block_count": layers,
        "context_length": 32768,
        "embedding_length": width,
        "feed_forward_length": forward,
        "attention__head_count": heads,
        "attention__head_count_kv": groups,
        "attention__layer_norm_rms_epsilon": 1e-6,
    } | more


def llama(path: Path) -> Path:
    """Dense, grouped queries: the widths of Llama 8B, half its layers."""
    model = SparseModel(path, "llama", **_known(16, 4096, 14336, 32, 8))
    model.ends(4096)
    for block in range(16):
        model.attention(block, 4096, 4096, 1024)
        model.dense(block, 4096, 14336)
    return model.close()


def qwen2_tied(path: Path) -> Path:
    """Tied embeddings: the widths of Qwen2.5 1.5B."""
    model = SparseModel(path, "qwen2", **_known(28, 1536, 8960, 12, 2))
    model.ends(1536, tied=True)
    for block in range(28):
        model.attention(block, 1536, 1536, 256)
        model.dense(block, 1536, 8960)
    return model.close()


def gemma3(path: Path) -> Path:
    """Sliding windows in five blocks of six, tied embeddings: the widths of Gemma 3 12B."""
    more = {"attention__key_length": 256, "attention__value_length": 256, "attention__sliding_window": 1024}
    model = SparseModel(path, "gemma3", **_known(24, 3840, 15360, 16, 8, **more), vocabulary=262144)
    model.ends(3840, 262144, tied=True)
    for block in range(24):
        model.attention(block, 3840, 4096, 2048, norms=256)
        model.dense(block, 3840, 15360)
        model.tensor(f"blk.{block}.post_attention_norm.weight", 3840)
        model.tensor(f"blk.{block}.post_ffw_norm.weight", 3840)
    return model.close()


def qwen3moe(path: Path) -> Path:
    """A mixture of experts: the widths of Qwen3 30B-A3B, a quarter of its layers."""
    more = {"attention__key_length": 128, "attention__value_length": 128, "expert_count": 128, "expert_used_count": 8}
    known = _known(12, 2048, 6144, 32, 4, **more, expert_feed_forward_length=768)
    model = SparseModel(path, "qwen3moe", **known)
    model.ends(2048)
    for block in range(12):
        model.attention(block, 2048, 4096, 512, norms=128)
        model.experts(block, 2048, 768, 128, norm="ffn_norm")
    return model.close()


def deepseek2(path: Path) -> Path:
    """Multi-head latent attention: the widths of DeepSeek V2 Lite, with its number of layers, which the engine asks."""
    more = {
        "attention__key_length": 576,
        "attention__value_length": 512,
        "attention__key_length_mla": 192,
        "attention__value_length_mla": 128,
        "attention__kv_lora_rank": 512,
        "rope__dimension_count": 64,
        "leading_dense_block_count": 1,
        "expert_count": 64,
        "expert_used_count": 6,
        "expert_shared_count": 2,
        "expert_feed_forward_length": 1408,
    }
    model = SparseModel(path, "deepseek2", **_known(27, 2048, 10944, 16, 1, **more))
    model.ends(2048)
    for block in range(27):
        model.tensor(f"blk.{block}.attn_norm.weight", 2048)
        model.tensor(f"blk.{block}.attn_kv_a_norm.weight", 512)
        model.tensor(f"blk.{block}.attn_q.weight", 2048, 16 * 192)
        model.tensor(f"blk.{block}.attn_kv_a_mqa.weight", 2048, 576)
        model.tensor(f"blk.{block}.attn_k_b.weight", 128, 512, 16)
        model.tensor(f"blk.{block}.attn_v_b.weight", 512, 128, 16)
        model.tensor(f"blk.{block}.attn_output.weight", 16 * 128, 2048)
        if block == 0:
            model.dense(block, 2048, 10944)
        else:
            model.experts(block, 2048, 1408, 64, shared=2816, norm="ffn_norm")
    return model.close()


def mamba(path: Path) -> Path:
    """Recurrent: the widths of Mamba 2.8B, half its layers."""
    state = {"ssm__conv_kernel": 4, "ssm__inner_size": 5120, "ssm__state_size": 16, "ssm__time_step_rank": 160}
    model = SparseModel(path, "mamba", **_known(32, 2560, 0, 0, 0, **state))
    model.ends(2560, tied=True)
    for block in range(32):
        model.tensor(f"blk.{block}.attn_norm.weight", 2560)
        model.tensor(f"blk.{block}.ssm_in.weight", 2560, 10240)
        model.tensor(f"blk.{block}.ssm_conv1d.weight", 4, 5120)
        model.tensor(f"blk.{block}.ssm_conv1d.bias", 5120)
        model.tensor(f"blk.{block}.ssm_x.weight", 5120, 160 + 32)
        model.tensor(f"blk.{block}.ssm_dt.weight", 160, 5120)
        model.tensor(f"blk.{block}.ssm_dt.bias", 5120)
        model.tensor(f"blk.{block}.ssm_a", 16, 5120)
        model.tensor(f"blk.{block}.ssm_d", 5120)
        model.tensor(f"blk.{block}.ssm_out.weight", 5120, 2560)
    return model.close()


def lfm2(path: Path) -> Path:
    """A hybrid of short convolutions and attention: LFM2 1.2B."""
    attends = [2, 5, 8, 10, 12, 14]
    groups = [8 if block in attends else 0 for block in range(16)]
    known = _known(16, 2048, 8192, 32, 0, shortconv__l_cache=3)
    model = SparseModel(path, "lfm2", **{**known, "attention__head_count_kv": groups}, vocabulary=65536)
    model.ends(2048, 65536, tied=True, norm="token_embd_norm")
    for block in range(16):
        if block in attends:
            model.attention(block, 2048, 2048, 512, norms=64)
        else:
            model.tensor(f"blk.{block}.attn_norm.weight", 2048)
            model.tensor(f"blk.{block}.shortconv.conv.weight", 3, 2048)
            model.tensor(f"blk.{block}.shortconv.in_proj.weight", 2048, 3 * 2048)
            model.tensor(f"blk.{block}.shortconv.out_proj.weight", 2048, 2048)
        model.dense(block, 2048, 8192)
    return model.close()


def glm4moe(path: Path) -> Path:
    """A block that predicts further tokens behind the trunk: the widths of GLM 4.5 Air, eight of its layers."""
    more = {
        "attention__key_length": 128,
        "attention__value_length": 128,
        "rope__dimension_count": 64,
        "leading_dense_block_count": 1,
        "expert_count": 128,
        "expert_used_count": 8,
        "expert_shared_count": 1,
        "expert_feed_forward_length": 1408,
        "nextn_predict_layers": 1,
    }
    model = SparseModel(path, "glm4moe", **_known(9, 4096, 10944, 96, 8, **more))
    model.ends(4096)
    for block in range(9):
        model.attention(block, 4096, 96 * 128, 1024)
        model.tensor(f"blk.{block}.post_attention_norm.weight", 4096)
        if block == 0:
            model.dense(block, 4096, 10944, norm=None)
        else:
            model.experts(block, 4096, 1408, 128, shared=1408, norm=None)
            model.tensor(f"blk.{block}.exp_probs_b.bias", 128)
    model.tensor("blk.8.nextn.eh_proj.weight", 8192, 4096)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        model.tensor(f"blk.8.nextn.{name}.weight", 4096)
    return model.close()


MODELS: dict[str, Callable[[Path], Path]] = {
    "dense": llama,
    "tied embeddings": qwen2_tied,
    "sliding window": gemma3,
    "experts": qwen3moe,
    "latent attention": deepseek2,
    "recurrent": mamba,
    "hybrid": lfm2,
    "further tokens": glm4moe,
}
