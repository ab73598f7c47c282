"""`python -m tests.bench`: every figure, each measured now on this machine. Nothing here asserts on time."""

import sys

from tests.bench import catalogue, gguf_header, launch, proxy

PARTS = {
    "A GGUF header with 152 000 tokens, ours and the gguf package": gguf_header.measure,
    "A catalogue of 500 files: cold, warm from its memory, again": catalogue.measure,
    "The demo model from launch to ready": launch.measure,
    "A streamed answer through our proxy and from llama-server directly, in turn": proxy.measure,
}


def main() -> None:
    """Print one line per figure."""
    for title, measure in PARTS.items():
        sys.stdout.write(f"{title}\n")
        for name, value in measure().items():
            sys.stdout.write(f"  {name.replace('_', ' '):<60} {value:12.3f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
