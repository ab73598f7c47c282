"""How long the catalogue takes over 500 files: at first sight, and with its memory.

Run: `python -m tests.bench.catalogue`. Each file has a vocabulary of 8 k tokens and 325 tensors.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np

from app.modelstore.catalogue import Catalogue

FILES = 500
LAYERS = 36


def _write_model(path: Path) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(8)
    writer.add_head_count(4)
    writer.add_token_list([f"token{number}" for number in range(8_000)])
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "output", "norm", "up", "gate", "down", "x"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.zeros(8, np.float32))
    writer.add_tensor("token_embd.weight", np.zeros(8, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _fill(folder: Path) -> None:
    source = _write_model(folder / "model-0.gguf")
    for number in range(1, FILES):
        place = folder / f"publisher {number % 20}"
        place.mkdir(exist_ok=True)
        shutil.copyfile(source, place / f"model-{number}.gguf")


def _scan_ms(catalogue: Catalogue) -> float:
    begun = time.perf_counter()
    found = catalogue.scan()
    taken = (time.perf_counter() - begun) * 1e3
    if len(found) != FILES or any(model.shape is None for model in found):
        raise AssertionError("the catalogue did not read every file")
    return taken


def measure() -> dict[str, float]:
    """Times of one scan in milliseconds; size of the memory on disk in megabytes."""
    with tempfile.TemporaryDirectory() as name:
        models, cache = Path(name) / "models", Path(name) / "cache"
        models.mkdir()
        _fill(models)
        catalogue = Catalogue([models], cache)
        return {
            "files": FILES,
            "cold_ms": _scan_ms(catalogue),
            "warm_ms": min(_scan_ms(Catalogue([models], cache)) for _ in range(3)),
            "again_ms": min(_scan_ms(catalogue) for _ in range(3)),
            "memory_on_disk_mb": sum(file.stat().st_size for file in cache.iterdir()) / 1e6,
        }


def main() -> None:
    """Print the figures, one per line."""
    for name, value in measure().items():
        sys.stdout.write(f"{name:28} {value:10.1f}\n")


if __name__ == "__main__":
    main()
