"""NodeClient: typed calls to one node's local API, and `watch`, its status as it changes. Used by ui, cli and tests."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import TypeAdapter, ValidationError

from app.cluster_client import ClusterClient
from app.hub_client import HubClient
from app.schema.endpoint import Endpoint
from app.schema.engine import EngineInstall, EngineInstallRequest
from app.schema.errors import CaravanError, ErrorInfo, InputError, NodeError, NodeNotRunning, from_info
from app.schema.instance import InstanceStatus, LaunchRequest
from app.schema.model import HeldModel, ModelFile
from app.schema.node import Delta, Status
from app.schema.plan import Plan, PlanAnswer, PlanRequest, Refusal
from app.schema.question import PlanQuestion
from app.schema.record import InstanceId, ModelId
from app.schema.settings import Settings
from app.system.loopback_http import loopback_client
from app.system.paths import Paths

REQUEST_SECONDS = 30.0

FIX_SECONDS = 600.0
"""How long a fix may take: Windows waits for the user's answer."""

_MODELS: TypeAdapter[tuple[ModelFile, ...]] = TypeAdapter(tuple[ModelFile, ...])
_HELD: TypeAdapter[tuple[HeldModel, ...]] = TypeAdapter(tuple[HeldModel, ...])
_PLAN: TypeAdapter[Plan | Refusal] = TypeAdapter(PlanAnswer)


@dataclass(frozen=True)
class ChatPiece:
    """A part of a streamed answer. `timings` comes with the last one: llama-server's own figures.

    `usage` (tokens, by OpenAI's names) comes at the end when the request asks for it with `stream_options`, `progress`
    (how many tokens of the prompt are read, by llama-server's names) at the start when it asks with `return_progress`.
    """

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    timings: dict[str, float] | None = None
    usage: dict[str, Any] | None = None
    progress: dict[str, float] | None = None


def read_endpoint(paths: Paths) -> Endpoint:
    """Where the node of a data folder listens. Raises NodeNotRunning."""
    try:
        return Endpoint.model_validate_json(paths.endpoint.read_bytes())
    except (OSError, ValidationError) as error:
        raise not_running(paths.data) from error


def not_running(folder: Path) -> NodeNotRunning:
    """The error for a node that does not answer."""
    return NodeNotRunning(
        "Caravan is not running on this PC.", "Start it with `caravan node`.", (f"data folder: {folder}",)
    )


def _no_answer(folder: Path, error: httpx.HTTPError) -> NodeError:
    """The error for a call that failed on its way: a node that is there but slow is not told to be absent."""
    if isinstance(error, httpx.ReadTimeout):
        return NodeError(
            "Caravan on this PC has not answered in time.",
            "Try again in a moment; `caravan logs` tells what it is busy with.",
            (f"data folder: {folder}",),
        )
    return not_running(folder)


class NodeClient:
    """An async client of one node. Every call raises the node's own error by its code, or NodeNotRunning.

    A node that takes longer than `patience`, in seconds, raises NodeError.
    """

    def __init__(self, paths: Paths, patience: float = REQUEST_SECONDS) -> None:
        self._paths = paths
        self.endpoint = read_endpoint(paths)
        token = paths.api_token.read_text("ascii").strip() if paths.api_token.exists() else ""
        # Without a token the node itself says what is missing; an empty one could not even be sent.
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = loopback_client(base_url=self.endpoint.api_url, headers=headers, timeout=patience)
        self.hub = HubClient(self._ask)
        """Search, downloads and everything else about models that are not here yet."""
        self.cluster = ClusterClient(self._ask)
        """Who belongs to the cluster: invite, join, leave, and the links to the others."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def status(self) -> Status:
        """The whole status, as of now."""
        return Status.model_validate(await self._ask("GET", "/status"))

    async def watch(self) -> AsyncGenerator[Status, None]:
        """The status now, then after every change; a gap is healed by a new snapshot. Ends when the node ends."""
        while True:
            status: Status | None = None
            async with aclosing(self._events("/caravan/v1/events")) as events:
                async for name, data in events:
                    if name == "closed":
                        return
                    if name == "resync":
                        break
                    try:
                        status = _follow(status, name, data)
                    except ValueError:
                        break
                    if status is not None:
                        yield status

    async def models(self, rescan: bool = False) -> tuple[ModelFile, ...]:
        """The models on this PC."""
        return _MODELS.validate_python(await self._ask("GET", "/models", params={"rescan": rescan}))

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        """Where a model would run, or why nowhere."""
        return _PLAN.validate_python(await self._ask("POST", "/plan", json=request.model_dump(mode="json")))

    async def plan_for(self, question: PlanQuestion) -> Plan | Refusal:
        """Where a model would run among PCs that the question describes."""
        return _PLAN.validate_python(await self._ask("POST", "/plan/described", json=question.model_dump(mode="json")))

    async def launch(self, request: LaunchRequest) -> InstanceId:
        """Launch a plan; follow it with `watch`."""
        answer = await self._ask("POST", "/instances", json=request.model_dump(mode="json"))
        return InstanceId(answer["instance_id"])

    async def load(self, model: ModelId) -> tuple[InstanceId, Plan]:
        """Launch a model as it ran last; follow it with `watch`."""
        answer = await self._ask("POST", "/load", json={"model_id": model})
        return InstanceId(answer["instance_id"]), Plan.model_validate(answer["plan"])

    async def instance(self, instance_id: InstanceId) -> InstanceStatus:
        """One instance of this node."""
        return InstanceStatus.model_validate(await self._ask("GET", f"/instances/{instance_id}"))

    async def stop(self, instance_id: InstanceId) -> None:
        """Stop an instance; follow it with `watch`."""
        await self._ask("DELETE", f"/instances/{instance_id}")

    async def install_engine(self, request: EngineInstallRequest) -> EngineInstall:
        """Begin to install llama.cpp; follow it with `watch`."""
        answer = await self._ask("POST", "/engine/install", json=request.model_dump(mode="json"))
        return EngineInstall.model_validate(answer)

    async def cancel_engine_install(self) -> None:
        """End the install that runs; follow it with `watch`."""
        await self._ask("DELETE", "/engine/install")

    async def model(self, name: str) -> ModelFile:
        """One model by its id, file name or full path, on this PC or another. Raises ModelNotFound."""
        return ModelFile.model_validate(await self._ask("GET", "/model", params={"name": name}))

    async def cluster_models(self) -> tuple[HeldModel, ...]:
        """The models of every PC of the cluster that answers, this one included, with who holds each."""
        return _HELD.validate_python(await self._ask("GET", "/cluster/models"))

    async def settings(self) -> Settings:
        """The node's settings."""
        return Settings.model_validate(await self._ask("GET", "/settings"))

    async def change_settings(self, settings: Settings) -> Settings:
        """Replace the node's settings."""
        return Settings.model_validate(await self._ask("PUT", "/settings", json=settings.model_dump(mode="json")))

    async def logs(self, name: str, lines: int) -> tuple[list[str], list[str]]:
        """The last lines of a log, and the names of all logs."""
        answer = await self._ask("GET", "/logs", params={"name": name, "lines": lines})
        return answer["lines"], answer["names"]

    async def shut_down(self) -> None:
        """End the node and everything it runs."""
        await self._ask("POST", "/shutdown")

    async def chat(self, request: dict[str, Any]) -> AsyncGenerator[ChatPiece, None]:
        """Stream an answer over the OpenAI route; `request` is its body without `stream`."""
        body = {**request, "stream": True}
        async with aclosing(self._events("/v1/chat/completions", body)) as events:
            async for _, data in events:
                if data != "[DONE]":
                    yield _piece(json.loads(data))

    async def fix(self, code: str) -> str:
        """Put right what a warning of this code says; returns a sentence. Waits for the user's answer to Windows."""
        return str((await self._ask("POST", f"/fix/{code}", timeout=FIX_SECONDS))["sentence"])

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = await self._http.request(method, f"/caravan/v1{path}", **options)
        except httpx.HTTPError as error:
            raise _no_answer(self._paths.data, error) from error
        except UnicodeEncodeError as error:
            raise _no_text(error) from error
        if response.is_error:
            raise _error(response)
        return response.json()

    async def _events(self, path: str, body: dict[str, Any] | None = None) -> AsyncGenerator[tuple[str, str], None]:
        """Server-sent events as (name, data), see https://html.spec.whatwg.org/multipage/server-sent-events.html."""
        method = "GET" if body is None else "POST"
        try:
            async with self._http.stream(method, path, json=body, timeout=httpx.Timeout(None, connect=5.0)) as response:
                if response.is_error:
                    await response.aread()
                    raise _error(response)
                name = "message"
                async for line in response.aiter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield name, line.removeprefix("data: ")
                        name = "message"
        except httpx.HTTPError as error:
            raise _no_answer(self._paths.data, error) from error
        except UnicodeEncodeError as error:
            raise _no_text(error) from error


def _no_text(error: UnicodeEncodeError) -> InputError:
    broken = error.object[error.start : error.end]
    return InputError(f"The request has something that is no text: {broken!r}.", "Rename the file, or type it anew.")


def _follow(status: Status | None, name: str, data: str) -> Status | None:
    """The status after an event. Raises ValueError on a gap, NodeError when the node speaks another version."""
    try:
        if name == "snapshot":
            return Status.model_validate_json(data)
        delta = Delta.model_validate_json(data) if name == "delta" else None
    except ValidationError as error:
        raise NodeError("Caravan on this PC is of another version.", "Quit it and start it again.") from error
    return delta.apply(status) if delta is not None and status is not None else status


def _error(response: httpx.Response) -> CaravanError:
    try:
        content = response.json()["error"]
        if "sentence" not in content:
            return _engine_error(content)
        return from_info(ErrorInfo.model_validate(content))
    except (ValueError, KeyError, TypeError, ValidationError):
        return CaravanError(f"The node answered with status {response.status_code}.", "See `caravan logs`.")


def _engine_error(content: dict[str, Any]) -> CaravanError:
    """An error in OpenAI's form, as llama-server makes it. Raises KeyError when it is in no known form."""
    if content.get("type") == "exceed_context_size_error":
        return InputError(
            f"This conversation is {content['n_prompt_tokens']} tokens long; the model was started with room for "
            f"{content['n_ctx']}.",
            "Launch the model again with a larger context, or begin a new chat.",
            (str(content["message"]),),
        )
    return from_info(ErrorInfo(code=str(content.get("code")), sentence=str(content["message"])))


def _piece(content: dict[str, Any]) -> ChatPiece:
    if "error" in content:
        raise _engine_error(content["error"])
    choice = (content.get("choices") or [{}])[0]
    delta = choice.get("delta", {})
    return ChatPiece(
        text=delta.get("content") or "",
        reasoning=delta.get("reasoning_content") or "",
        finish_reason=choice.get("finish_reason"),
        timings=content.get("timings"),
        usage=content.get("usage"),
        progress=content.get("prompt_progress"),
    )
