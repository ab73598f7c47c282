"""The contract tests with Windows Python and a Windows llama.cpp, under Wine."""

import sys
import time

import pytest

pytest.importorskip("fcntl", reason="on Windows run tests/contract directly")

from tests.windows.in_wine import windows_pytests

MOST_SECONDS = 1200
EACH = "--timeout=400"
"""Seconds for one test: a program of ours takes Wine three times as long to start as Linux."""

LACKS = "Windows: "
"""How the reason of a test begins that Windows cannot run."""


def told(output: str) -> str:
    """The lines of pytest that name tests."""
    return "\n".join(line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "SKIPPED")))


_FAULTS = "tests/contract/test_faults.py::"

EXCLUDED = (
    # The same with Windows' own answers: tests/windows/inside/test_node.py.
    f"{_FAULTS}test_a_second_node_for_the_same_folder",
    f"{_FAULTS}TestWithoutANode::test_a_busy_port_names_its_owner",
    f"{_FAULTS}test_a_good_model_in_an_awkward_place_runs",
    # A dozen starts of our program for sentences that know no operating system: two minutes.
    f"{_FAULTS}test_files_that_are_no_models",
    f"{_FAULTS}TestWithoutANode::test_commands_say_that_nothing_runs",
)
"""What is left out for its time, with the reason."""


RUNS = {("link", "openai", "engine_cache"): 38, ("faults", "cluster_commands", "doctor"): 13}
"""What runs beside each other, with the number of tests that must pass at least; each takes about as long."""


@pytest.mark.timeout(MOST_SECONDS + 20)
def test_the_contract_tests() -> None:
    ignored = [f"--deselect={test}" for test in EXCLUDED]
    began = time.monotonic()
    runs = ([*(f"tests/contract/test_{room}.py" for room in rooms), *ignored, EACH, "-ra"] for rooms in RUNS)
    reports = windows_pytests(*runs, deadline=MOST_SECONDS)
    for rooms, report in zip(RUNS, reports, strict=True):
        sys.stdout.write(f"{rooms}: {report.passed} passed, {len(report.skipped)} skipped on Windows\n")
    sys.stdout.write(f"contract tests under Wine: {time.monotonic() - began:.0f} s\n")
    for (_, least), report in zip(RUNS.items(), reports, strict=True):
        assert report.failed == 0, told(report.output) + report.trouble
        assert report.passed >= least
        assert [each for each in report.skipped if LACKS not in each] == []
