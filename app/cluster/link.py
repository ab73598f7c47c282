"""What a node may ask of a peer: HTTP through a mouth of the peer link, and mouths to the workers it lent."""

import asyncio
import contextlib
import time
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from app.cluster.link_service import Mouth
from app.cluster.report_connection import ReportConnection
from app.schema.errors import CaravanError, ErrorInfo, NodeNotFound, PeerUnreachable, from_info
from app.schema.instance import LaunchRequest, Lease, LeaseRequest, WorkerStatus
from app.schema.model import ModelFile
from app.schema.node import PeerReport
from app.schema.record import InstanceId, NodeId, Record
from app.system.loopback_http import loopback_client

REQUEST_SECONDS = 5.0
"""Deadline of one request to a peer; starting a worker has its own."""

HEARTBEAT_DEADLINE = 2.0
"""Deadline of a heartbeat's answer: three late ones lose a peer, and a person waits for that."""

RENEW_SECONDS = 2.0
"""Deadline of a renewal: three in a row without an answer lose a worker, and a person waits for that."""

GOODBYE_SECONDS = 1.0
"""Deadline of the last word to a peer; it finds out by itself otherwise."""

WORKER_START_SECONDS = 60.0
"""Deadline for a peer to start a worker: a GPU driver may need many seconds to wake."""

ANSWER_CONNECT_SECONDS = 10.0
"""Deadline for a peer to take a chat request; its answer may take as long as the model needs."""

Answer = TypeVar("Answer", bound=Record)

_MODELS: TypeAdapter[tuple[ModelFile, ...]] = TypeAdapter(tuple[ModelFile, ...])


class PeerLink(Protocol):
    """What a node may ask of a peer. Every method raises PeerUnreachable, or the error the peer answered with.

    NodeNotFound once it is closed: whoever still holds it, as a running model does, outlives the peer's membership.
    """

    async def report(self) -> tuple[PeerReport, float]:
        """The peer's report and the time it took in seconds."""

    async def lease(self, request: LeaseRequest) -> Lease:
        """Ask for bytes on one of its devices."""

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease; returns when it serves."""

    async def renew(self, lease_id: str) -> WorkerStatus:
        """Keep a lease alive and learn how its worker is."""

    async def release(self, lease_id: str) -> None:
        """End a lease and its worker."""

    async def endpoint(self, worker: WorkerStatus) -> str:
        """`host:port` on this PC's loopback at which the worker is reached, until its lease is released."""

    async def members(self) -> bytes:
        """The peer's signed member list."""

    async def send_members(self, text: bytes) -> None:
        """Give the peer our signed member list."""

    async def models(self) -> tuple[ModelFile, ...]:
        """The models on the peer's disks."""

    async def launch(self, request: LaunchRequest) -> InstanceId:
        """Launch a plan whose head the peer is."""

    async def stop_instance(self, instance: InstanceId) -> None:
        """Stop an instance of the peer."""

    async def make_room(self, instance: InstanceId, because: str) -> None:
        """Stop an instance of the peer that works on nothing, if the peer's settings allow it."""

    async def ask_model(self, path: str, body: bytes) -> httpx.Response:
        """Send an OpenAI request to the peer's own models; the answer's content is not read yet."""

    async def tell(self, report: PeerReport) -> None:
        """Give the peer our report before it asks."""

    async def goodbye(self) -> None:
        """Tell the peer that this node ends."""

    async def close(self) -> None:
        """Close the connection and every mouth."""


class Ways(Protocol):
    """Opens and closes the local ports that lead to peers: the link service."""

    async def open_mouth(self, peer: NodeId, ticket: str | None = None) -> Mouth:
        """A local port that leads to the peer's node, or with a ticket to its rpc-server."""

    async def close_mouth(self, mouth: Mouth) -> None:
        """Close a mouth and the streams through it."""


class TunnelLink:
    """The `PeerLink` of a member of the cluster, over a mouth to its node. `name` is for sentences."""

    def __init__(self, peer: NodeId, name: str, mouth: Mouth, ways: Ways) -> None:
        self._peer = peer
        self._name = name
        self._mouth = mouth
        self._ways = ways
        self._workers: dict[str, asyncio.Task[Mouth]] = {}
        self._reports = ReportConnection(mouth)
        self._last: tuple[bytes, PeerReport] | None = None
        self._client = loopback_client(
            base_url=f"http://{mouth.address}/peer/v1",
            headers={"Authorization": f"Bearer {mouth.key}"},
            timeout=REQUEST_SECONDS,
            # A connection of its own per peer and use; the peer ends idle ones after 30 s.
            limits=httpx.Limits(max_connections=None, keepalive_expiry=20.0),
        )

    async def report(self) -> tuple[PeerReport, float]:
        """The peer's report, the same object while it says the same, and the time it took in seconds."""
        began = time.perf_counter()
        try:
            status, body = await self._reports.ask(HEARTBEAT_DEADLINE)
        except OSError as error:
            raise self._silent(error) from error
        if status != httpx.codes.OK:
            raise self._refusal(httpx.Response(status, content=body))
        if self._last is None or self._last[0] != body:
            self._last = (body, self._parse(body))
        return self._last[1], time.perf_counter() - began

    async def lease(self, request: LeaseRequest) -> Lease:
        """Ask for bytes on one of its devices."""
        return self._read(Lease, await self._ask("POST", "/leases", json=request.model_dump(mode="json")))

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease; returns when it serves."""
        answer = await self._ask("POST", f"/leases/{lease_id}/worker", timeout=WORKER_START_SECONDS)
        return self._read(WorkerStatus, answer)

    async def renew(self, lease_id: str) -> WorkerStatus:
        """Keep a lease alive and learn how its worker is."""
        return self._read(WorkerStatus, await self._ask("POST", f"/leases/{lease_id}/renew", timeout=RENEW_SECONDS))

    async def release(self, lease_id: str) -> None:
        """End a lease and its worker."""
        opening = self._workers.pop(lease_id, None)
        try:
            await self._ask("DELETE", f"/leases/{lease_id}", timeout=WORKER_START_SECONDS)
        finally:
            if opening is not None:
                await self._close_worker(opening)

    async def endpoint(self, worker: WorkerStatus) -> str:
        """`host:port` on this PC's loopback at which the worker is reached, until its lease is released."""
        if worker.ticket is None:
            raise self._strange()
        opening = self._workers.get(worker.lease_id)
        if opening is None:
            way = self._ways.open_mouth(self._peer, worker.ticket)
            opening = self._workers[worker.lease_id] = asyncio.create_task(way, name="way to a worker")
        # Cancelled, it still opens: the link process has its order, and the end of the lease must know what to close.
        return (await asyncio.shield(opening)).address

    async def _close_worker(self, opening: asyncio.Task[Mouth]) -> None:
        with contextlib.suppress(CaravanError):
            await self._ways.close_mouth(await opening)

    async def members(self) -> bytes:
        """The peer's signed member list."""
        return (await self._send("GET", "/members")).content

    async def send_members(self, text: bytes) -> None:
        """Give the peer our signed member list."""
        await self._ask("POST", "/members", content=text, headers={"Content-Type": "application/json"})

    async def models(self) -> tuple[ModelFile, ...]:
        """The models on the peer's disks."""
        try:
            return _MODELS.validate_python(await self._ask("GET", "/models"))
        except ValidationError as error:
            raise self._strange() from error

    async def launch(self, request: LaunchRequest) -> InstanceId:
        """Launch a plan whose head the peer is."""
        answer = await self._ask("POST", "/instances", json=request.model_dump(mode="json"))
        try:
            return InstanceId(answer["instance_id"])
        except (KeyError, TypeError) as error:
            raise self._strange() from error

    async def stop_instance(self, instance: InstanceId) -> None:
        """Stop an instance of the peer."""
        await self._ask("DELETE", f"/instances/{instance}")

    async def make_room(self, instance: InstanceId, because: str) -> None:
        """Stop an instance of the peer that works on nothing, if the peer's settings allow it."""
        await self._ask("POST", f"/instances/{instance}/make-room", json={"because": because})

    async def ask_model(self, path: str, body: bytes) -> httpx.Response:
        """Send an OpenAI request to the peer's own models; the answer's content is not read yet."""
        # No read deadline: a long prompt may take minutes before its first byte, and the client can leave.
        timeout = httpx.Timeout(None, connect=ANSWER_CONNECT_SECONDS)
        headers = {"Content-Type": "application/json"}
        request = self._client.build_request("POST", path, content=body, headers=headers, timeout=timeout)
        self._check_open()
        try:
            return await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    async def tell(self, report: PeerReport) -> None:
        """Give the peer our report before it asks."""
        await self._ask("POST", "/report", json=report.model_dump(mode="json"))

    async def goodbye(self) -> None:
        """Tell the peer that this node ends."""
        await self._ask("POST", "/goodbye", timeout=GOODBYE_SECONDS)

    async def close(self) -> None:
        """Close the connection and every mouth."""
        await self._client.aclose()
        await self._reports.close()
        workers, self._workers = self._workers, {}
        for opening in workers.values():
            await self._close_worker(opening)
        await self._ways.close_mouth(self._mouth)

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        response = await self._send(method, path, **options)
        try:
            return response.json()
        except ValueError as error:
            raise self._strange() from error

    def _check_open(self) -> None:
        if self._client.is_closed:
            raise NodeNotFound(f"{self._name} is not part of the cluster any more.", "Plan again: the cluster changed.")

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        self._check_open()
        try:
            response = await self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if response.is_error:
            raise self._refusal(response)
        return response

    def _read(self, kind: type[Answer], content: Any) -> Answer:
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            raise self._strange() from error

    def _parse(self, body: bytes) -> PeerReport:
        try:
            return PeerReport.model_validate_json(body)
        except ValidationError as error:
            raise self._strange() from error

    def _refusal(self, response: httpx.Response) -> CaravanError:
        try:
            return from_info(ErrorInfo.model_validate(response.json()["error"]))
        except (ValidationError, ValueError, KeyError, TypeError):
            return self._strange()

    def _silent(self, error: Exception) -> PeerUnreachable:
        hint = f"Is {self._name} switched on, on this network, and is Caravan running there?"
        return PeerUnreachable(f"{self._name} does not answer.", hint, (repr(error),))

    def _strange(self) -> PeerUnreachable:
        return PeerUnreachable(f"{self._name} answered in a way Caravan does not know.", "Update both PCs.")
