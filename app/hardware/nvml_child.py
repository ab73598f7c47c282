"""The short-lived child that takes the first look through NVML: `python -m app.hardware.nvml_child`.

It prints one JSON line, an `NvmlReport`, and ends with 0. A driver that crashes or hangs takes only this child along.
"""

import sys

from app.hardware.nvml import read_report


def main() -> int:
    """Print the report; returns the exit code."""
    sys.stdout.write(read_report().model_dump_json() + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
