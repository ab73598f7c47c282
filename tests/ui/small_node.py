"""A node small enough to start in a test: the real address file, token, guard, bus and event stream, scripted launches.

As a program: `python small_node.py --data-dir FOLDER`; with `--refuse` it ends as a node does that may not start.
"""

import argparse
import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from app.api.answers import SSE_TYPE, add_error_answers, status_stream
from app.api.guard import LoopbackGuard
from app.api.local import Loaded, LoadRequest
from app.api.server import Listener
from app.node.bus import Bus
from app.schema.endpoint import Endpoint
from app.schema.errors import PlacementRefused
from app.schema.event import InstanceChanged, InstanceForgotten
from app.schema.instance import InstanceState, LaunchRequest
from app.schema.node import Status
from app.schema.plan import Plan, PlanAnswer, PlanRequest, Refusal
from app.schema.record import InstanceId
from app.system.files import write_atomically
from app.system.paths import Paths
from app.system.ports import bind_loopback
from tests.ui.samples import NODE, instance, loading, plan, status

TOKEN = "the-token-of-this-test"
REFUSED_MODEL = "too-large"


class SmallNode:
    """Serves between `run` and `end`."""

    def __init__(self, paths: Paths, first: Status | None = None) -> None:
        self.bus = Bus(first or status())
        self._paths = paths
        self._ended = asyncio.Event()

    async def run(self) -> None:
        listener = Listener(self._app(), bind_loopback(0))
        serving = asyncio.create_task(listener.run())
        await asyncio.to_thread(self._write_address, listener.port)
        await self._ended.wait()
        self.bus.close()
        listener.end()
        await serving
        await asyncio.to_thread(self._paths.endpoint.unlink)

    def end(self) -> None:
        self._ended.set()

    def _write_address(self, port: int) -> None:
        self._paths.ensure()
        self._paths.api_token.write_text(TOKEN, "ascii")
        endpoint = Endpoint(node=NODE, name="WORKSHOP", pid=1, api_port=port)
        write_atomically(self._paths.endpoint, endpoint.model_dump_json().encode())

    def _app(self) -> FastAPI:
        app = FastAPI()
        app.add_middleware(LoopbackGuard, protected="/caravan/", token=TOKEN)
        add_error_answers(app)
        self._add_reads(app)
        self._add_commands(app)
        return app

    def _add_reads(self, app: FastAPI) -> None:
        @app.get("/caravan/v1/status")
        async def read_status() -> Status:
            return self.bus.status

        @app.get("/caravan/v1/events")
        async def events() -> StreamingResponse:
            return StreamingResponse(status_stream(self.bus.subscribe()), media_type=SSE_TYPE)

    def _add_commands(self, app: FastAPI) -> None:
        @app.post("/caravan/v1/plan")
        async def make_plan(request: PlanRequest) -> PlanAnswer:
            if request.model_id == REFUSED_MODEL:
                return Refusal(model_id=request.model_id, code="short", sentence="It does not fit.", hint="Add a PC.")
            return plan(3, request.model_id)

        @app.post("/caravan/v1/instances")
        async def launch(request: LaunchRequest) -> dict[str, str]:
            self._launch(request.plan)
            return {"instance_id": "one"}

        @app.post("/caravan/v1/load")
        async def load(request: LoadRequest) -> Loaded:
            if request.model_id == REFUSED_MODEL:
                raise PlacementRefused("It does not fit.", "Add a PC.")
            wanted = plan(3, request.model_id)
            self._launch(wanted)
            return Loaded(instance_id=InstanceId("one"), plan=wanted)

        @app.delete("/caravan/v1/instances/{instance_id}")
        async def stop(instance_id: str) -> dict[str, bool]:
            self.bus.publish(InstanceForgotten(instance_id=InstanceId(instance_id)))
            return {"ok": True}

        @app.post("/caravan/v1/shutdown")
        async def shut_down() -> dict[str, bool]:
            self.end()
            return {"ok": True}

    def _launch(self, wanted: Plan) -> None:
        for state, phases, ready_at in (
            (InstanceState.STARTING, (), None),
            (InstanceState.STARTING, loading(62, 100), None),
            (InstanceState.READY, (), 109.0),
        ):
            now = instance(state, pcs=wanted.pcs, model=wanted.model_id, phases=phases, ready_at=ready_at)
            self.bus.publish(InstanceChanged(instance=now))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--refuse", action="store_true")
    options = parser.parse_args()
    if options.refuse:
        sys.stderr.write("Port 52415 is taken by other.exe.\nChoose another with --api-port.\n")
        return 1
    with suppress(KeyboardInterrupt):
        asyncio.run(SmallNode(Paths.under(options.data_dir)).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
