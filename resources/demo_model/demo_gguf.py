"""Write the trained network as a GGUF file that an unmodified llama.cpp runs."""

from pathlib import Path

import gguf
import torch
from demo_network import Network, Shape
from demo_tokenizer import BOS, END, PAD, SPECIAL, Tokenizer

TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set text = message['content'] | trim -%}"
    "{%- if message['role'] == 'system' -%}{{- '<|system|>' + text + '<|end|>' -}}"
    "{%- elif message['role'] == 'user' -%}{{- '<|user|> ' + (text | lower) + '<|end|>' -}}"
    "{%- elif message['role'] == 'assistant' -%}{{- '<|assistant|>' + text + '<|end|>' -}}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
"""Jinja chat template; it writes questions as `demo_text.as_read` does.

The beginning-of-text token is left to the engine (`add_bos_token`).
"""


def _add_description(writer: gguf.GGUFWriter, size_label: str, file_type: gguf.LlamaFileType) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Caravan demo")
    writer.add_description("Answers questions about Caravan and knows nothing else.")
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])
    writer.add_size_label(size_label)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_shape(writer: gguf.GGUFWriter, network: Network) -> None:
    shape = network.shape
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types([control if token in SPECIAL else normal for token in tokenizer.tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.ids[BOS])
    writer.add_eos_token_id(tokenizer.ids[END])
    writer.add_eot_token_id(tokenizer.ids[END])
    writer.add_pad_token_id(tokenizer.ids[PAD])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter, network: Network, matrix_type: gguf.GGMLQuantizationType) -> None:
    for name, tensor in network.state_dict().items():
        kind = matrix_type if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        values = gguf.quants.quantize(tensor.to(torch.float32).numpy(), kind)
        writer.add_tensor(name, values, raw_dtype=kind)


def write(path: Path, network: Network, tokenizer: Tokenizer, matrix_type: gguf.GGMLQuantizationType) -> None:
    """Write `path`. Matrices take `matrix_type` (F16 or Q8_0), norms stay F32; the embedding is also the output."""
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    writer = gguf.GGUFWriter(path, "llama")
    _add_description(writer, f"{millions:.1f}M", gguf.LlamaFileType[f"MOSTLY_{matrix_type.name}"])
    _add_shape(writer, network)
    _add_tokenizer(writer, tokenizer)
    _add_tensors(writer, network, matrix_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path) -> tuple[Network, Tokenizer]:
    """The network and the tokenizer of a file that `write` made, to train on from it."""
    reader = gguf.GGUFReader(path)
    merges = (merge.split(" ") for merge in reader.fields["tokenizer.ggml.merges"].contents())
    tokenizer = Tokenizer(tuple((left, right) for left, right in merges))
    network = Network(Shape(vocabulary=len(tokenizer.tokens)))
    weights = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    network.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})
    return network, tokenizer
