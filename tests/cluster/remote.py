"""`python -m tests.cluster.remote FOLDER`: a client inside a host, ordered over standard input, for the test outside.

One JSON object per line each way. It tells every change of the node's status by itself, answers each numbered call, and
tells which of them got the first word of its answer.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.cli.running import follow
from app.client import NodeClient
from app.schema.cluster import JoinRequest
from app.schema.errors import CaravanError
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.plan import Plan, PlanRequest
from app.schema.record import InstanceId, NodeId
from app.system.paths import Paths

UNTOLD = {"hardware", "load", "catalogue"}


class Remote:
    """Carries out the calls of a test with a real client."""

    def __init__(self, client: NodeClient, number: int) -> None:
        self._client = client
        self._number = number

    async def invite(self) -> Any:
        return (await self._client.cluster.invite()).model_dump(mode="json")

    async def end_invitation(self) -> None:
        await self._client.cluster.end_invitation()

    async def join(self, code: str, address: str | None = None) -> None:
        await self._client.cluster.join(JoinRequest(code=code, address=address))

    async def remove(self, node: str) -> None:
        await self._client.cluster.remove(NodeId(node))

    async def leave(self) -> None:
        await self._client.cluster.leave()

    async def measure(self, node: str) -> float:
        return await self._client.cluster.measure_link(NodeId(node))

    async def share(self, sharing: bool) -> None:
        settings = await self._client.settings()
        await self._client.change_settings(settings.model_copy(update={"sharing": sharing}))

    async def set_engine(self, path: str | None) -> None:
        settings = await self._client.settings()
        await self._client.change_settings(settings.model_copy(update={"engine_path": path}))

    async def plan(self, **request: Any) -> Any:
        return (await self._client.plan(PlanRequest.model_validate(request))).model_dump(mode="json")

    async def launch(self, **request: Any) -> Any:
        found = await self._client.plan(PlanRequest.model_validate(request))
        assert isinstance(found, Plan), found
        return (await self._started(found)).model_dump(mode="json")

    async def launch_plan(self, plan: Any) -> Any:
        return (await self._started(Plan.model_validate(plan))).model_dump(mode="json")

    async def _started(self, plan: Plan) -> InstanceStatus:
        instance = await self._client.launch(LaunchRequest(plan=plan))
        return await follow(self._client, instance, lambda each: each.state is InstanceState.READY)

    async def stop(self, instance: str) -> Any:
        await self._client.stop(InstanceId(instance))
        return (await follow(self._client, InstanceId(instance), lambda _: False)).state

    async def chat(self, prompt: str, tokens: int = 120, leave_after: int | None = None, **more: Any) -> Any:
        fixed = {"temperature": 0, "seed": 1, "max_tokens": tokens}
        request = {"messages": [{"role": "user", "content": prompt}], **fixed, **more}
        pieces, speed = [], None
        async for piece in self._client.chat(request):
            if not pieces:
                tell(speaks=self._number)
            pieces.append(piece.text)
            speed = (piece.timings or {}).get("predicted_per_second", speed)
            if leave_after is not None and len(pieces) >= leave_after:
                break
        return {"text": "".join(pieces), "tokens_per_second": speed}

    async def cluster_models(self) -> Any:
        found = await self._client.cluster_models()
        return [each.model_dump(mode="json", exclude={"model": {"shape"}}) for each in found]


def tell(**words: Any) -> None:
    """One line out."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def _watch(paths: Paths) -> None:
    """Tell every status; a node that ends or starts anew is waited for."""
    while True:
        with suppress(CaravanError, OSError):
            async with NodeClient(paths) as client:
                async for status in client.watch():
                    tell(status=status.model_dump(mode="json", exclude=UNTOLD))
        tell(ended=True)
        await asyncio.sleep(0.05)


async def _answer(paths: Paths, order: dict[str, Any]) -> None:
    try:
        async with NodeClient(paths) as client:
            call: Callable[..., Awaitable[Any]] = getattr(Remote(client, order["number"]), order["call"])
            tell(number=order["number"], value=await call(**order["with"]))
    except CaravanError as error:
        tell(number=order["number"], error=error.info().model_dump(mode="json"))
    except AssertionError as error:
        tell(number=order["number"], error={"code": "assertion", "sentence": str(error)})


async def main(folder: Path) -> None:
    """Run until the input ends."""
    paths = Paths.under(folder)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while not paths.endpoint.exists():
        await asyncio.sleep(0.02)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(paths))
        while line := await reader.readline():
            group.create_task(_answer(paths, json.loads(line)))
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
