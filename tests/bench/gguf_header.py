"""How fast and how small reading a header is, beside the `gguf` package's reader.

Run: `python -m tests.bench.gguf_header`. The file has a vocabulary of 152 k tokens and 150 k merges, as Qwen's.
"""

import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

from app.modelstore.gguf import read_shape

TOKENS = 152_064
MERGES = 150_000
LAYERS = 36


def write_large_vocabulary(path: Path) -> Path:
    """A model whose header is as large as a real one's; its weights are tiny."""
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(32)
    writer.add_context_length(40_960)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_token_list([f"token{number}"[: 1 + number % 12] for number in range(TOKENS)])
    writer.add_token_scores([0.0] * TOKENS)
    writer.add_token_types([1] * TOKENS)
    writer.add_token_merges([f"a{number} b{number}" for number in range(MERGES)])
    for name in (
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_output",
        "ffn_up",
        "ffn_gate",
        "ffn_down",
        "attn_norm",
        "ffn_norm",
    ):
        for layer in range(LAYERS):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.zeros((32, 32), np.float32))
    writer.add_tensor("token_embd.weight", np.zeros((64, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _milliseconds(action: Callable[[], object], times: int) -> float:
    """Median of `times` runs."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def _peak_megabytes(action: Callable[[], object]) -> float:
    """Peak of what Python allocates during one run."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def measure() -> dict[str, float]:
    """Times in milliseconds, memory in megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_large_vocabulary(Path(folder) / "vocabulary.gguf")
        return {
            "header_megabytes": path.stat().st_size / 1e6,
            "read_ms": _milliseconds(lambda: read_shape(path), 9),
            "read_peak_mb": _peak_megabytes(lambda: read_shape(path)),
            "gguf_package_ms": _milliseconds(lambda: gguf.GGUFReader(path), 1),
            "gguf_package_peak_mb": _peak_megabytes(lambda: gguf.GGUFReader(path)),
        }


def main() -> None:
    """Print the figures, one per line."""
    for name, value in measure().items():
        sys.stdout.write(f"{name:28} {value:10.1f}\n")


if __name__ == "__main__":
    main()
