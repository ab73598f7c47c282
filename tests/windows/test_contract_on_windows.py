"""The contract tests with Windows Python and a Windows llama.cpp, under Wine."""

import sys

import pytest

pytest.importorskip("fcntl", reason="on Windows run tests/contract directly")

from tests.windows.in_wine import windows_pytest

MOST_SECONDS = 580
EACH = "--timeout=150"
"""Seconds for one test: a program of ours takes Wine three times as long to start as Linux."""

LACKS = "Windows: "
"""How the reason of a test begins that Windows cannot run."""


def told(output: str) -> str:
    """The lines of pytest that name tests."""
    return "\n".join(line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "SKIPPED")))


@pytest.mark.timeout(MOST_SECONDS + 20)
@pytest.mark.parametrize(
    ("room", "least"),
    [
        ("test_link.py", 15),
        ("test_openai.py", 20),
        ("test_faults.py", 15),
        ("test_cluster_commands.py", 2),
        ("test_engine_cache.py", 1),
    ],
)
def test_the_contract_tests(room: str, least: int) -> None:
    report = windows_pytest(f"tests/contract/{room}", EACH, "-ra", deadline=MOST_SECONDS)
    sys.stdout.write(f"{room}: {report.passed} passed, {len(report.skipped)} skipped on Windows\n")
    assert report.failed == 0, told(report.output) + report.output[-8000:]
    assert report.passed >= least
    assert [each for each in report.skipped if LACKS not in each] == []
