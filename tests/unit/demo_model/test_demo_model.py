"""The shipped demo model is the small, splittable file that its card and the planner promise."""

from pathlib import Path

import gguf
import pytest

MODEL = Path(__file__).parents[3] / "resources" / "demo_model" / "caravan-demo.gguf"


@pytest.fixture(scope="module")
def reader() -> gguf.GGUFReader:
    return gguf.GGUFReader(MODEL)


def value(reader: gguf.GGUFReader, key: str) -> object:
    return reader.fields[key].contents()


def test_file_is_at_most_ten_megabytes() -> None:
    assert 1_000_000 < MODEL.stat().st_size <= 10_000_000


def test_describes_itself(reader: gguf.GGUFReader) -> None:
    assert value(reader, "general.architecture") == "llama"
    assert value(reader, "general.name") == "Caravan demo"
    assert value(reader, "general.license") == "apache-2.0"


def test_has_enough_layers_to_split_and_every_tensor_of_each(reader: gguf.GGUFReader) -> None:
    layers = value(reader, "llama.block_count")
    assert isinstance(layers, int)
    assert layers >= 12
    parts = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
    wanted = {f"blk.{layer}.{part}.weight" for layer in range(layers) for part in parts}
    assert {tensor.name for tensor in reader.tensors} == wanted | {"token_embd.weight", "output_norm.weight"}


def test_has_between_four_and_eight_million_weights(reader: gguf.GGUFReader) -> None:
    assert 4_000_000 <= sum(int(tensor.n_elements) for tensor in reader.tensors) <= 8_000_000


def test_tokenizer_agrees_with_itself_and_with_the_embedding(reader: gguf.GGUFReader) -> None:
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()]
    embedding = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    assert len(tokens) == len(set(tokens)) == value(reader, "llama.vocab_size") == int(embedding.shape[1])
    assert len(reader.fields["tokenizer.ggml.token_type"].contents()) == len(tokens)
    assert all(left + right in tokens and left in tokens and right in tokens for left, right in merges)


def test_generation_ends_at_a_control_token_of_the_chat_template(reader: gguf.GGUFReader) -> None:
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    end = value(reader, "tokenizer.ggml.eos_token_id")
    assert isinstance(end, int)
    assert end == value(reader, "tokenizer.ggml.eot_token_id")
    assert types[end] == gguf.TokenType.CONTROL
    template = value(reader, "tokenizer.chat_template")
    assert isinstance(template, str)
    assert tokens[end] in template
    assert "add_generation_prompt" in template
