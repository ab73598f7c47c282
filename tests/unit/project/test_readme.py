"""The README's commands are the ones that are run."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def commands() -> list[str]:
    """The lines of the README's first two code blocks that are no comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)[:2]
    return [line for block in blocks for line in block.splitlines() if not line.startswith("#")]


def test_the_readme_opens_with_the_main_job_and_the_tests() -> None:
    main_job, tests = commands()
    assert main_job.endswith("uv run caravan demo")
    assert tests.endswith("uv run pytest")


def test_ci_runs_the_readmes_test_command_to_the_letter() -> None:
    assert commands()[1] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
