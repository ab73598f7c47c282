"""The link to one peer: its report, its leases, and the address where its workers are reached from here.

`PeerLink` is the seam between running models and the network. `LoopbackLink` is the one for peers on this very PC:
plain HTTP on 127.0.0.1, authenticated by the cluster key that both nodes were given. It refuses any other address.
"""

import ipaddress
import time
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import ValidationError

from app.schema.errors import CaravanError, ErrorInfo, InputError, PeerUnreachable, from_info
from app.schema.instance import Lease, LeaseRequest, WorkerStatus
from app.schema.node import PeerReport
from app.schema.record import Record
from app.system.loopback_http import loopback_client

REQUEST_SECONDS = 5.0
"""Deadline of one request to a peer; starting a worker has its own."""

RENEW_SECONDS = 2.0
"""Deadline of a renewal: three in a row without an answer lose a worker, and a person waits for that."""

WORKER_START_SECONDS = 60.0
"""Deadline for a peer to start a worker: a GPU driver may need many seconds to wake."""


Answer = TypeVar("Answer", bound=Record)


class PeerLink(Protocol):
    """What a node may ask of a peer. Every method raises PeerUnreachable, or the error the peer answered with."""

    @property
    def address(self) -> str:
        """Where the peer is dialled, `host:port`."""

    async def report(self) -> tuple[PeerReport, float]:
        """The peer's report and the round trip in seconds."""

    async def lease(self, request: LeaseRequest) -> Lease:
        """Ask for bytes on one of its devices."""

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease; returns when it serves."""

    async def renew(self, lease_id: str) -> WorkerStatus:
        """Keep a lease alive and learn how its worker is."""

    async def release(self, lease_id: str) -> None:
        """End a lease and its worker."""

    def endpoint(self, worker: WorkerStatus) -> str:
        """`host:port` on this PC's loopback at which the worker is reached."""

    async def close(self) -> None:
        """Close the connection."""


def loopback_address(text: str) -> tuple[str, int]:
    """`host:port` of a loopback peer. Raises InputError for anything else."""
    host, _, port = text.rpartition(":")
    try:
        if not ipaddress.ip_address(host).is_loopback or not 0 < int(port) < 65536:
            raise ValueError(text)
    except ValueError as error:
        raise InputError(f"{text!r} is not an address on this PC.", "Write it as 127.0.0.1:PORT.") from error
    return host, int(port)


class LoopbackLink:
    """A `PeerLink` to a node on this PC."""

    def __init__(self, address: str, cluster_key: str) -> None:
        host, port = loopback_address(address)
        self._address = address
        self._client = loopback_client(
            base_url=f"http://{host}:{port}/peer/v1",
            headers={"Authorization": f"Bearer {cluster_key}"},
            timeout=REQUEST_SECONDS,
        )

    @property
    def address(self) -> str:
        """Where the peer is dialled, `host:port`."""
        return self._address

    async def report(self) -> tuple[PeerReport, float]:
        """The peer's report and the round trip in seconds."""
        began = time.perf_counter()
        answer = await self._ask("GET", "/report")
        return _read(PeerReport, answer, self._address), time.perf_counter() - began

    async def lease(self, request: LeaseRequest) -> Lease:
        """Ask for bytes on one of its devices."""
        answer = await self._ask("POST", "/leases", json=request.model_dump(mode="json"))
        return _read(Lease, answer, self._address)

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease; returns when it serves."""
        answer = await self._ask("POST", f"/leases/{lease_id}/worker", timeout=WORKER_START_SECONDS)
        return _read(WorkerStatus, answer, self._address)

    async def renew(self, lease_id: str) -> WorkerStatus:
        """Keep a lease alive and learn how its worker is."""
        answer = await self._ask("POST", f"/leases/{lease_id}/renew", timeout=RENEW_SECONDS)
        return _read(WorkerStatus, answer, self._address)

    async def release(self, lease_id: str) -> None:
        """End a lease and its worker."""
        await self._ask("DELETE", f"/leases/{lease_id}", timeout=WORKER_START_SECONDS)

    def endpoint(self, worker: WorkerStatus) -> str:
        """The worker itself: it listens on the same loopback."""
        return f"127.0.0.1:{worker.port}"

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = await self._client.request(method, path, **options)
            content = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise PeerUnreachable(
                f"The node at {self._address} does not answer.", "Is Caravan still running there?", (repr(error),)
            ) from error
        if response.is_error:
            raise _refusal(content, self._address)
        return content


def _read(kind: type[Answer], content: Any, address: str) -> Answer:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise _unknown_answer(address) from error


def _refusal(content: Any, address: str) -> CaravanError:
    try:
        return from_info(ErrorInfo.model_validate(content["error"]))
    except (ValidationError, KeyError, TypeError):
        return _unknown_answer(address)


def _unknown_answer(address: str) -> PeerUnreachable:
    return PeerUnreachable(f"The node at {address} answered in a way Caravan does not know.", "Update both PCs.")
