"""The engine's own projection of memory: what each device will hold, without loading anything.

llama-fit-params reads the header, builds the graph for the given placement, and prints a line per device, in MiB. It
talks to the workers, so they must be up and idle.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.engine.commands import Command
from app.engine.diagnosis import DETAIL_LINES, diagnose_head, diagnose_start
from app.schema.errors import EngineBroken
from app.system.spawn import Finished, ProgramMissing, ProgramTimedOut, run_short

FIT_SECONDS = 30.0
"""How long a projection may take; a busy worker makes it wait."""

_LINE = re.compile(r"^(\S+) (\d{1,9}) (\d{1,9}) (\d{1,9})\s*$")


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """What one device will hold, in whole MiB: weights, context (cache and recurrent state), compute buffers."""

    model: int
    context: int
    compute: int

    @property
    def total(self) -> int:
        """All of it in MiB."""
        return self.model + self.context + self.compute


def parse(text: str) -> dict[str, DeviceMemory]:
    """Standard output of `llama-fit-params -fitp on` -> memory by device; `Host` is the head's processor and RAM."""
    found = (_LINE.match(line) for line in text.splitlines())
    return {each[1]: DeviceMemory(int(each[2]), int(each[3]), int(each[4])) for each in found if each}


async def measure(
    command: Command, node_name: str, names: Mapping[str, str], deadline: float = FIT_SECONDS
) -> dict[str, DeviceMemory]:
    """Run a `fit_command` and read its answer. `names` maps each worker's `host:port` to its PC's name, for errors.

    Raises what `diagnose_head` says when it fails, what `diagnose_start` says when it is not even started, or
    EngineBroken when it hangs or says nothing of use.
    """
    ended = await _run(command, node_name, deadline)
    memory = parse(ended.stdout)
    if memory and ended.returncode == 0:
        return memory
    tail = (*ended.stdout.splitlines(), *ended.stderr.splitlines())
    raise diagnose_head(tail, ended.returncode, node_name, names) or EngineBroken(
        f"The engine's memory check on {node_name} gave no figures.",
        "Install the engine again.",
        tail[-DETAIL_LINES:],
    )


async def _run(command: Command, node_name: str, deadline: float) -> Finished:
    try:
        return await run_short(command.argv, deadline=deadline, env=command.environment)
    except ProgramMissing as error:
        raise diagnose_start(command.argv[0], error.code, str(error), node_name) from error
    except ProgramTimedOut as error:
        raise EngineBroken(
            f"The engine's memory check on {node_name} did not end within {deadline:g} s.",
            "Check that the PCs of the plan are awake and that no other model uses them.",
        ) from error
