"""Caravan with Windows Python and a Windows llama.cpp, under Wine."""

import re
import sys

import pytest

from tests.windows.in_wine import Room, windows_pytest, windows_pytests

UNIT_TESTS = 1500
"""Fewer than there are: a run that collects little is no proof."""

EXCLUDED = (
    # Wine 10 makes symbolic links but does not follow them.
    "tests/unit/modelstore/test_catalogue.py::test_a_hugging_face_cache_lists_the_snapshot_once",
    # Measures how quick the file system is, and Wine's is slow.
    "tests/unit/modelstore/test_catalogue.py::test_a_warm_scan_of_many_is_quick",
)
"""What Wine cannot run, each with its reason."""


PURE = ("planner", "picker", "schema", "demo_model", "project", "ui", "ui_settings")
"""Rooms whose code knows no operating system: their tests on Linux say all."""

HALF = ("cluster", "engine", "system")
"""Rooms whose tests take Wine about as long as those of all others."""


def say(*lines: str) -> None:
    """Figures for the log of the run; `pytest -rP` shows them."""
    sys.stdout.write("\n".join(lines) + "\n")


@pytest.mark.timeout(1520)
def test_the_unit_tests() -> None:
    deselected = [f"--deselect={test}" for test in EXCLUDED]
    half = [f"tests/unit/{room}" for room in HALF]
    others = ["tests/unit", *(f"--ignore=tests/unit/{room}" for room in (*HALF, *PURE))]
    reports = windows_pytests(*([*rooms, *deselected, "--durations=12"] for rooms in (half, others)), deadline=1500)
    for report in reports:
        say(*(line for line in report.output.splitlines() if re.match(r"\d+\.\d+s (call|setup)", line)))
        say(f"{report.passed} passed, {len(report.skipped)} skipped on Windows", *report.skipped)
    for report in reports:
        assert report.failed == 0, report.trouble
    assert sum(report.passed for report in reports) > UNIT_TESTS


@pytest.mark.timeout(1220)
def test_engine_nodes_and_demo() -> None:
    report = windows_pytest("tests/windows/inside", "-s", deadline=1200, room=Room(user="Jörg 测试 🐪"))
    say(*(line for line in report.output.splitlines() if "demo:" in line))
    assert report.failed == 0, report.trouble
    assert report.skipped == ()
