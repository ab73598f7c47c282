"""`python -m tests.bench`: every figure, each measured now on this machine. Nothing here asserts on time."""

import sys

from tests.bench import catalogue, gguf_header, launch, proxy


def main() -> None:
    """Print one line per figure."""
    for part in (gguf_header, catalogue, launch, proxy):
        for name, value in part.measure().items():
            sys.stdout.write(f"{name:<60} {value:12.3f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
