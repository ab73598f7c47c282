import shutil
from pathlib import Path

import gguf
import pytest

from app.modelstore.gguf import read_shape
from app.schema.errors import GgufHostile, GgufTruncated, GgufUnsupported
from tests.unit.modelstore.sample_files import F16, F32, Q4_K, Q8_0, write_file, write_model, write_projector

BLOCK_BYTES = 6 * 64 * 64 * 2 + 64 * 4
EMBEDDING_BYTES = 64 * 32 * 2


def test_an_ordinary_model(tmp_path: Path) -> None:
    facts = {
        "general.name": " Camel ",
        "general.size_label": "1M",
        "general.file_type": 15,
        "tokenizer.ggml.tokens": ["a"] * 32,
        "tokenizer.chat_template": "{{ messages }}{% if enable_thinking %}<think>{% endif %}",
    }
    path = write_model(tmp_path / "m.gguf", extra_keys=facts, attention__head_count_kv=2, feed_forward_length=64)
    shape = read_shape(path)
    assert (shape.architecture, shape.name, shape.size_label, shape.quantization) == ("llama", "Camel", "1M", "Q4_K_M")
    assert shape.layer_bytes == (BLOCK_BYTES,) * 4
    assert shape.layer_expert_bytes == (0,) * 4
    assert shape.embedding_bytes == EMBEDDING_BYTES
    assert shape.output_bytes == EMBEDDING_BYTES + 64 * 4
    assert not shape.tied_embeddings
    assert shape.largest_tensor_bytes == 64 * 64 * 2
    assert (shape.vocabulary, shape.context_length, shape.embedding_length) == (32, 512, 64)
    assert (shape.head_counts, shape.feed_forward_length) == ((4,) * 4, 64)
    assert shape.key_widths == shape.value_widths == (2 * 16,) * 4
    assert (shape.sliding_window, shape.sliding_layers, shape.recurrent_elements) == (None, (), ())
    assert shape.has_chat_template
    assert shape.has_thinking_switch
    assert not shape.is_projector
    assert shape.split_count == 1


@pytest.mark.parametrize("tied", [True, False])
def test_sums_are_those_of_the_reference_reader(tmp_path: Path, tied: bool) -> None:
    extra = {"position_embd.weight": ((64, 16), F16), "rope_freqs.weight": ((8,), F32)}
    path = write_model(tmp_path / "m.gguf", tied=tied, extra_tensors=extra)
    shape, tensors = read_shape(path), gguf.GGUFReader(path).tensors
    assert shape.weight_bytes == sum(tensor.n_bytes for tensor in tensors)
    assert shape.parameters == sum(tensor.n_elements for tensor in tensors)
    assert shape.tensor_count == len(tensors)
    assert shape.tied_embeddings is tied
    assert shape.output_bytes == EMBEDDING_BYTES + 64 * 4
    assert shape.other_bytes == 64 * 16 * 2 + 8 * 4


def test_dominant_type_names_an_unlabelled_file(tmp_path: Path) -> None:
    tensors = {"blk.0.ffn_up.weight": ((256, 64), Q4_K), "blk.0.attn_norm.weight": ((256,), F32)}
    keys = {"llama.block_count": 1, "llama.embedding_length": 256, "general.file_type": 777}
    assert read_shape(write_file(tmp_path / "m.gguf", "llama", keys, tensors)).quantization == "Q4_K"


def test_heads_per_layer(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.gguf",
        "deci",
        attention__head_count=[4, 8, 4, 4],
        attention__head_count_kv=[2, 0, 1, 4],
        attention__key_length=24,
        feed_forward_length=[64, 128, 32, 0],
    )
    shape = read_shape(path)
    assert shape.head_counts == (4, 8, 4, 4)
    assert shape.key_widths == (48, 0, 24, 96)
    assert shape.value_widths == (32, 0, 16, 64)
    assert shape.feed_forward_length == 128
    assert shape.recurrent_elements == ()


def test_a_model_that_names_no_heads_is_bounded_from_above(tmp_path: Path) -> None:
    keys = {"odd.block_count": 1, "odd.embedding_length": 64}
    shape = read_shape(write_file(tmp_path / "m.gguf", "odd", keys, {"blk.0.a.weight": ((64,), F16)}))
    assert shape.key_widths == shape.value_widths == (64,)
    assert shape.head_counts == ()


def test_experts(tmp_path: Path) -> None:
    experts = {
        "blk.1.ffn_up_exps.weight": ((64, 64, 8), Q8_0),
        "blk.1.ffn_gate_up_exps.weight": ((64, 64, 8), F16),
        "blk.2.ffn_down_exps.bias": ((64, 8), F32),
        "blk.2.ffn_down_shexp.weight": ((64, 64), F16),
        "blk.2.ffn_gate_inp.weight": ((64, 8), F32),
        "blk.3.ffn_gate.5.weight": ((64, 64), F16),
    }
    path = write_model(tmp_path / "m.gguf", expert_count=8, expert_used_count=[0, 2, 4, 2], extra_tensors=experts)
    shape = read_shape(path)
    packed = 64 * 64 * 8 // 32 * 34
    assert shape.layer_expert_bytes == (0, packed + 64 * 64 * 8 * 2, 64 * 8 * 4, 64 * 64 * 2)
    assert shape.layer_bytes[2] == BLOCK_BYTES + 64 * 8 * 4 + 64 * 64 * 2 + 64 * 8 * 4
    assert (shape.expert_count, shape.experts_used) == (8, 4)
    assert shape.largest_tensor_bytes == 64 * 64 * 8 * 2
    plain = read_shape(write_model(tmp_path / "plain.gguf"))
    assert shape.last_feed_forward_bytes == plain.last_feed_forward_bytes + 64 * 64 * 2
    assert 0 < plain.last_feed_forward_bytes < BLOCK_BYTES


def test_the_width_of_one_expert(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", expert_count=8, expert_feed_forward_length=96, feed_forward_length=512)
    assert read_shape(path).expert_feed_forward_length == 96
    assert read_shape(write_model(tmp_path / "n.gguf")).expert_feed_forward_length is None


@pytest.mark.parametrize(("architecture", "idle"), [("glm4moe", 1), ("qwen3next", 1), ("exaone-moe", 0)])
def test_blocks_for_further_tokens_that_the_engine_leaves_out(tmp_path: Path, architecture: str, idle: int) -> None:
    shape = read_shape(write_model(tmp_path / "m.gguf", architecture, 5, nextn_predict_layers=1))
    assert (shape.layers, shape.next_token_layers, shape.idle_layers) == (5, 1, idle)
    alone = read_shape(write_model(tmp_path / "n.gguf", architecture, 1, nextn_predict_layers=1))
    assert alone.idle_layers == 0


def test_the_tokenizer(tmp_path: Path) -> None:
    keys = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}
    assert read_shape(write_model(tmp_path / "m.gguf", extra_keys=keys)).tokenizer == "gpt2/qwen2"
    assert read_shape(write_model(tmp_path / "n.gguf")).tokenizer is None


LATENT = {
    "attention__head_count_kv": 1,
    "attention__kv_lora_rank": 32,
    "attention__key_length": 40,
    "attention__value_length": 32,
}


def test_latent_attention_keeps_keys_only(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.gguf", "deepseek2", **LATENT, attention__key_length_mla=24, attention__value_length_mla=16
    )
    shape = read_shape(path)
    assert shape.key_widths == (40,) * 4
    assert shape.value_widths == (0,) * 4


@pytest.mark.parametrize("architecture", ["deepseek2", "minicpm3"])
def test_a_rank_alone_is_not_latent_attention(tmp_path: Path, architecture: str) -> None:
    shape = read_shape(write_model(tmp_path / "m.gguf", architecture, **LATENT))
    assert shape.value_widths == (32,) * 4


def test_an_indexer_adds_keys(tmp_path: Path) -> None:
    mla = {"attention__key_length_mla": 24, "attention__value_length_mla": 16}
    path = write_model(tmp_path / "m.gguf", "deepseek32", **LATENT, **mla, attention__indexer__key_length=8)
    shape = read_shape(path)
    assert shape.key_widths == (48,) * 4
    assert shape.value_widths == (0,) * 4
    plain = read_shape(
        write_model(tmp_path / "p.gguf", "minimax-m3", attention__head_count_kv=2, attention__indexer__key_length=8)
    )
    assert plain.key_widths == (40,) * 4
    assert plain.value_widths == (48,) * 4


def _slides(path: Path) -> tuple[int | None, str]:
    shape = read_shape(path)
    return shape.sliding_window, "".join("s" if slides else "f" for slides in shape.sliding_layers)


@pytest.mark.parametrize(
    ("architecture", "pattern", "expected"),
    [
        ("gemma2", None, (100, "sfsfsfsfsfsfs")),
        ("gemma3", None, (100, "sssssfsssssfs")),
        ("gemma3", 3, (100, "ssfssfssfssfs")),
        ("gemma3", 0, (100, "sssssssssssss")),
        ("gemma3", 1, (None, "")),
        ("cohere2", None, (100, "sssfsssfsssfs")),
        ("gpt-oss", None, (100, "sfsfsfsfsfsfs")),
        ("llama4", None, (8192, "sssfsssfsssfs")),
        ("smallthinker", None, (4096, "fsssfsssfsssf")),
        ("gemma4", [True, False, True], (100, "sfsffffffffff")),
        ("gemma4", None, (None, "")),
        ("phi3", None, (None, "")),
        ("llama", [True] * 13, (None, "")),
        ("exaone4", None, (None, "")),
        ("brand-new", [True] * 13, (None, "")),
    ],
)
def test_sliding_layers(tmp_path: Path, architecture: str, pattern: object, expected: tuple[object, str]) -> None:
    more = {} if pattern is None else {"attention__sliding_window_pattern": pattern}
    path = write_model(tmp_path / "m.gguf", architecture, 13, attention__sliding_window=100, **more)
    assert _slides(path) == expected


def test_windows_that_the_file_does_not_name(tmp_path: Path) -> None:
    assert _slides(write_model(tmp_path / "a.gguf", "gemma2")) == (4096, "sfsf")
    assert _slides(write_model(tmp_path / "b.gguf", "llama4")) == (8192, "sssf")
    assert _slides(write_model(tmp_path / "c.gguf", "gemma3")) == (None, "")
    assert _slides(write_model(tmp_path / "d.gguf", "llama4", attention__sliding_window=0)) == (None, "")


def test_sliding_blocks_may_have_other_heads(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.gguf",
        "gemma4",
        attention__head_count_kv=[2, 2, 1, 2],
        attention__key_length=64,
        attention__value_length=64,
        attention__key_length_swa=16,
        attention__value_length_swa=16,
        attention__sliding_window=100,
        attention__sliding_window_pattern=[True, True, False, True],
        attention__shared_kv_layers=1,
    )
    shape = read_shape(path)
    assert shape.key_widths == shape.value_widths == (32, 32, 64, 0)
    assert shape.sliding_layers == (True, True, False, False)


def test_engine_layers_without_tensors_are_counted(tmp_path: Path) -> None:
    looped = write_model(tmp_path / "a.gguf", "nanbeige", attention__head_count_kv=2, num_loops=3)
    assert read_shape(looped).key_widths == (96,) * 4
    routed = write_model(tmp_path / "b.gguf", "graniteswitch", attention__head_count_kv=2)
    assert read_shape(routed).value_widths == (32, 32, 32, 48)


def test_gemma3n_shares_after_twenty_layers(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", "gemma3n", 22, attention__head_count_kv=2, attention__sliding_window=100)
    assert read_shape(path).key_widths == (32,) * 20 + (0, 0)


MAMBA = {"ssm__conv_kernel": 4, "ssm__inner_size": 128, "ssm__state_size": 16}
MAMBA_STATE = 3 * 128 + 16 * 128


def test_mamba(tmp_path: Path) -> None:
    shape = read_shape(write_model(tmp_path / "m.gguf", "mamba", **MAMBA, attention__head_count=0))
    assert shape.recurrent_elements == (MAMBA_STATE,) * 4
    assert shape.key_widths == shape.value_widths == (0,) * 4
    assert shape.state_space_width == 128


def test_mamba2_counts_its_groups(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", "mamba2", **MAMBA, ssm__group_count=2, attention__head_count=0)
    shape = read_shape(path)
    assert shape.recurrent_elements == (3 * (128 + 2 * 2 * 16) + 16 * 128,) * 4
    assert shape.state_space_width == 128 + 2 * 2 * 16


def test_rwkv(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", "rwkv6", wkv__head_size=16, attention__head_count=0)
    shape = read_shape(path)
    assert shape.recurrent_elements == (2 * 64 + 64 * 16,) * 4
    assert shape.key_widths == (0,) * 4


@pytest.mark.parametrize(("architecture", "kv"), [("jamba", [0, 2, 0, 2]), ("granitehybrid", [0, 2, 0, 2])])
def test_hybrids_without_kv_heads_recur(tmp_path: Path, architecture: str, kv: list[int]) -> None:
    shape = read_shape(write_model(tmp_path / "m.gguf", architecture, **MAMBA, attention__head_count_kv=kv))
    assert shape.recurrent_elements == (MAMBA_STATE, 0, MAMBA_STATE, 0)
    assert shape.key_widths == (0, 32, 0, 32)


def test_short_convolutions(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", "lfm2", attention__head_count_kv=[0, 0, 2, 0], shortconv__l_cache=3)
    shape = read_shape(path)
    assert shape.recurrent_elements == (128, 128, 0, 128)
    assert shape.key_widths == (0, 0, 32, 0)


def test_full_attention_at_an_interval(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.gguf", "qwen3next", 9, **MAMBA, ssm__group_count=1, nextn_predict_layers=1, expert_count=2
    )
    shape = read_shape(path)
    state = 3 * (128 + 2 * 16) + 16 * 128
    assert shape.recurrent_elements == (state, state, state, 0, state, state, state, 0, 0)
    assert shape.key_widths == (0, 0, 0, 64, 0, 0, 0, 64, 64)
    assert shape.next_token_layers == 1


def test_nemotron_blocks_do_one_thing_each(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.gguf",
        "nemotron_h",
        **MAMBA,
        attention__head_count_kv=[0, 2, 0, 0],
        feed_forward_length=[0, 0, 64, 0],
    )
    shape = read_shape(path)
    assert shape.recurrent_elements == (MAMBA_STATE, 0, 0, MAMBA_STATE)
    assert shape.key_widths == (0, 32, 0, 0)


@pytest.mark.parametrize("architecture", ["falcon-h1", "brand-new"])
def test_blocks_that_do_both_or_may(tmp_path: Path, architecture: str) -> None:
    shape = read_shape(write_model(tmp_path / "m.gguf", architecture, **MAMBA, attention__head_count_kv=2))
    assert shape.recurrent_elements == (MAMBA_STATE,) * 4
    assert shape.key_widths == (32,) * 4


def test_encoder_and_decoder_blocks_share_a_layer(tmp_path: Path) -> None:
    extra = {"enc.blk.1.attn_q.weight": ((64, 64), F16), "dec.blk.1.attn_q.weight": ((64, 64), F16)}
    shape = read_shape(write_model(tmp_path / "m.gguf", "t5", extra_tensors=extra))
    assert shape.layer_bytes == (BLOCK_BYTES, BLOCK_BYTES + 2 * 64 * 64 * 2, BLOCK_BYTES, BLOCK_BYTES)


def test_projector(tmp_path: Path) -> None:
    shape = read_shape(write_projector(tmp_path / "mmproj.gguf"))
    assert shape.is_projector
    assert not shape.tied_embeddings
    assert shape.layers == 0
    assert shape.weight_bytes == shape.other_bytes == (32 * 32 + 32 * 64) * 2


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """A model in three parts, written by the package's own splitting writer, beside the same model whole."""
    source = gguf.GGUFReader(write_model(tmp_path / "whole" / "m.gguf", attention__head_count_kv=2))
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=12)
    for name, number in (("block_count", 4), ("embedding_length", 64), ("context_length", 512)):
        writer.add_uint32(f"llama.{name}", number)
    writer.add_uint32("llama.attention.head_count", 4)
    writer.add_uint32("llama.attention.head_count_kv", 2)
    for tensor in source.tensors:
        writer.add_tensor(tensor.name, tensor.data.copy())
    writer.write_header_to_file(tmp_path / "m.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(tmp_path.glob("m-*.gguf"))


def test_any_part_gives_the_whole(parts: list[Path]) -> None:
    whole = read_shape(parts[0].parent / "whole" / "m.gguf")
    assert len(parts) == 3
    for part in parts:
        assert read_shape(part) == whole.model_copy(update={"split_count": 3})


def test_a_missing_part_is_named(parts: list[Path]) -> None:
    parts[1].unlink()
    with pytest.raises(GgufTruncated, match=r"Part 2 of 3 .* m-00002-of-00003\.gguf"):
        read_shape(parts[2])


def test_a_part_in_the_place_of_another_is_refused(parts: list[Path]) -> None:
    shutil.copyfile(parts[0], parts[1])
    with pytest.raises(GgufHostile, match="not part 2"):
        read_shape(parts[0])


def test_a_part_that_lost_its_name_is_refused(parts: list[Path]) -> None:
    renamed = parts[0].rename(parts[0].with_name("renamed.gguf"))
    with pytest.raises(GgufUnsupported, match="3 parts"):
        read_shape(renamed)


def test_a_whole_file_named_as_a_part_is_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        write_model(tmp_path / f"m-0000{number}-of-00002.gguf")
    with pytest.raises(GgufHostile, match="its name says 2"):
        read_shape(tmp_path / "m-00001-of-00002.gguf")


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"attention__head_count_kv": [1, 2]}, "lists 2 layers of 4"),
        ({"attention__head_count_kv": "two"}, "whole number"),
        ({"attention__key_length": 0.5}, "whole number"),
        ({"attention__head_count": [1] * 5000}, "whole number"),
        ({"block_count": 100_000}, "claims 100000 layers"),
    ],
)
def test_keys_of_the_wrong_kind(tmp_path: Path, more: dict[str, object], word: str) -> None:
    path = write_model(tmp_path / "m.gguf", **more)
    with pytest.raises(GgufHostile, match=word):
        read_shape(path)


@pytest.mark.parametrize(
    ("architecture", "keys", "word"),
    [
        ("llama", {"general.type": "adapter", "llama.block_count": 4}, "adapter"),
        ("imatrix", {}, "measurement"),
        ("llama", {"llama.embedding_length": 64}, "block_count"),
        ("llama", {"llama.block_count": 2}, "embedding_length"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, architecture: str, keys: dict[str, object], word: str) -> None:
    path = write_file(tmp_path / "m.gguf", architecture, keys, {"blk.0.a.weight": ((8,), F16)})
    with pytest.raises(GgufUnsupported, match=word):
        read_shape(path)


def test_a_vocabulary_alone_is_no_model(tmp_path: Path) -> None:
    keys = {"llama.block_count": 2, "llama.embedding_length": 64}
    with pytest.raises(GgufUnsupported, match="no weights"):
        read_shape(write_file(tmp_path / "m.gguf", "llama", keys, {}))


def test_large_tensors_are_those_that_a_worker_may_keep(tmp_path: Path) -> None:
    keys = {"llama.block_count": 2, "llama.embedding_length": 1024, "llama.attention.head_count": 4}
    # 5 120 x 1 024 halves are exactly the limit, which does not count.
    tensors = {
        "token_embd.weight": ((1024, 5121), F16),
        "blk.0.ffn_up.weight": ((1024, 5120), F16),
        "blk.1.ffn_up.weight": ((1024, 5120), F16),
        "blk.1.ffn_down.weight": ((5121, 1024), F16),
        "output_norm.weight": ((1024,), F32),
    }
    large = 2 * 1024 * 5121
    shape = read_shape(write_file(tmp_path / "m.gguf", "llama", keys, tensors))
    assert (shape.layer_large_bytes, shape.output_large_bytes) == ((0, large), large)
    assert shape.large_bytes(0, 1, output=True) == 2 * large
    assert shape.large_bytes(0, 0, output=False) == 0
    own = read_shape(write_file(tmp_path / "n.gguf", "llama", keys, {**tensors, "output.weight": ((1024, 5120), F16)}))
    assert own.output_large_bytes == 0
