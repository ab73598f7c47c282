"""Runs with Windows Python: `windows_start_inside.py PROGRAM ROUNDS` prints the medians as one JSON object."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def python_seconds() -> float:
    """A Python that starts and ends at once."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True, **_QUIET)
    return time.monotonic() - began


def node_seconds(program: str) -> float:
    """The node of a new data folder, from its start until its API answers."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data = Path(folder, "data")
        data.mkdir()
        (data / "settings.json").write_text('{"use_known_folders": false}', "utf-8")
        began = time.monotonic()
        node = subprocess.Popen([program, "node", "--data-dir", str(data), "--api-port", "0"], **_QUIET)
        try:
            while not _answers(data / "node.json"):
                if node.poll() is not None:
                    raise SystemExit(f"the node ended with {node.returncode}")
                time.sleep(0.01)
            return time.monotonic() - began
        finally:
            node.kill()
            node.wait()


def _answers(endpoint: Path) -> bool:
    try:
        port = json.loads(endpoint.read_text("utf-8"))["api_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def main() -> None:
    """Print the medians; the first round warms the disk and does not count."""
    program, rounds = sys.argv[1], int(sys.argv[2])
    times: dict[str, list[float]] = {"node": [], "python": []}
    for _ in range(rounds + 1):
        times["node"].append(node_seconds(program))
        times["python"].append(python_seconds())
    node, python = (statistics.median(times[name][1:]) for name in ("node", "python"))
    figures = {
        "Caravan.exe node to API ready, Wine, median s": node,
        "the same, very first start, s": times["node"][0],
        "bare Windows Python, Wine, median s": python,
        "node / Python": node / python,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
