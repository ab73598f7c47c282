"""How fast the machine itself is at a moment: one question, always the same, to an engine that nothing ever limits.

The speed of a virtual machine changes by 10 to 20 % within minutes with nothing stolen that the kernel tells of, and a
prediction cannot know. With a look beside the calibration and one beside each launch the report tells both: predicted
over measured as it is, and with what the machine itself became slower or faster taken out.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from app.engine.calibration import CalibrationPlace, _complete, _server, calibration_spec
from app.schema.engine import EngineBuild
from app.schema.plan import CPU_DEVICE
from tests.bench.split_results import Pace
from tests.bench.split_shapes import PROMPT, SAMPLE


class Gauge:
    """The engine that stands by. Made by `open_gauge`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._asked = 0

    async def look(self) -> Pace:
        """What it does now: the fastest of two, as other programs only make one slower."""
        one, other = await self._once(), await self._once()
        return Pace(decode=max(one.decode, other.decode), prefill=max(one.prefill, other.prefill))

    async def _once(self) -> Pace:
        self._asked += 1
        told = await _complete(self._client, PROMPT, SAMPLE, self._asked)
        return Pace(decode=told["predicted_per_second"], prefill=told["prompt_per_second"])


@contextlib.asynccontextmanager
async def open_gauge(build: EngineBuild, model: Path) -> AsyncIterator[Gauge]:
    """An engine with one thread and the bench's own model. Open it before any group of hosts: it belongs to none."""
    place = CalibrationPlace(build, model.parent, 1)
    async with _server(place, calibration_spec(place, CPU_DEVICE, str(model))) as (client, _):
        found = Gauge(client)
        # The first question brings the file into memory.
        await found.look()
        yield found
