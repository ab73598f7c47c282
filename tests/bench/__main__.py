"""`python -m tests.bench`: every figure, each measured now on this machine. Nothing here asserts on time."""

import sys

from tests.bench import (
    catalogue,
    desktop,
    gguf_header,
    idle,
    join,
    launch,
    planner,
    proxy,
    tunnel,
    windows_start,
    windows_tray,
)

PARTS = {
    "A GGUF header with 152 000 tokens, ours and the gguf package": gguf_header.measure,
    "A catalogue of 500 files: cold, warm from its memory, again": catalogue.measure,
    "A plan for 12 PCs with 24 devices and 128 layers": planner.measure,
    "The demo model from launch to ready": launch.measure,
    "A streamed answer through our proxy and from llama-server directly, in turn": proxy.measure,
    "The tray program and a bare PySide6 tray icon, in turn, offscreen": desktop.measure,
    "The same under Wine, on a screen (CARAVAN_WINDOWS_TESTS=1)": windows_tray.measure,
    "The peer link: round trip, bulk, tokens/s through it and without, in turn": tunnel.measure,
    "Joining by code, on hosts of their own (root)": join.measure,
    "A node that has nothing to do, alone and with 32 simulated peers": idle.measure,
    "The installed program under Wine (CARAVAN_WINDOWS_PACKAGE names what `rig package` built)": windows_start.measure,
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
