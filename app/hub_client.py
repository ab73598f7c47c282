"""HubClient: the part of NodeClient that searches the hub and downloads models; it is `NodeClient.hub`."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import TypeAdapter

from app.schema.download import (
    Download,
    DownloadId,
    DownloadRequest,
    HubAccess,
    HubModel,
    HubQuestion,
    HubRepository,
    HubSort,
    HubToken,
)
from app.schema.plan import Plan, PlanAnswer, PlanRequest, Refusal
from app.schema.record import ModelId

HUB_SECONDS = 90.0
"""How long a question may take that the node passes on to the hub."""

_FOUND: TypeAdapter[tuple[HubModel, ...]] = TypeAdapter(tuple[HubModel, ...])
_PLAN: TypeAdapter[Plan | Refusal] = TypeAdapter(PlanAnswer)

Ask = Callable[..., Awaitable[Any]]
"""`(method, path, **options)`: one request to the node, answered with its JSON. Raises the node's own errors."""


class HubClient:
    """What one node knows of the hub. Every call raises the node's own error by its code, or NodeNotRunning."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def search(self, text: str, sort: HubSort = HubSort.DOWNLOADS, limit: int = 30) -> tuple[HubModel, ...]:
        """Repositories with GGUF files that a text finds; without text the first of all. Raises DownloadFailed."""
        told: dict[str, Any] = {"text": text, "sort": sort.value, "limit": limit}
        return _FOUND.validate_python(await self._ask("GET", "/hub/models", params=told, timeout=HUB_SECONDS))

    async def repository(self, reference: str) -> HubRepository:
        """One repository, by `owner/name` or whatever else `read_reference` takes.

        Raises RepositoryNotFound, GatedRepository, InputError or DownloadFailed.
        """
        told = {"reference": reference}
        answer = await self._ask("GET", "/hub/repository", params=told, timeout=HUB_SECONDS)
        return HubRepository.model_validate(answer)

    async def plan(self, wanted: DownloadRequest, request: PlanRequest, may_estimate: bool = False) -> Plan | Refusal:
        """Where a model would run if it were here, from the header of the file on the hub; `model_id` is ignored.

        `may_estimate` takes what is known of another quantization of the repository, if anything: it costs nothing.

        Raises as `repository`, HubFileNotFound, or the reason why its header cannot be read.
        """
        question = HubQuestion(wanted=wanted, plan=request, may_estimate=may_estimate).model_dump(mode="json")
        return _PLAN.validate_python(await self._ask("POST", "/hub/plan", json=question, timeout=HUB_SECONDS))

    async def download(self, wanted: DownloadRequest) -> Download:
        """Begin to download, or get the download of this very file there is already; follow it with `watch`."""
        answer = await self._ask("POST", "/downloads", json=wanted.model_dump(mode="json"), timeout=HUB_SECONDS)
        return Download.model_validate(answer)

    async def pause(self, download: DownloadId) -> None:
        """Stop for now; what arrived is kept, over restarts too."""
        await self._ask("POST", f"/downloads/{download}/pause")

    async def resume(self, download: DownloadId) -> None:
        """Go on with one that is paused or failed."""
        await self._ask("POST", f"/downloads/{download}/resume")

    async def cancel(self, download: DownloadId) -> None:
        """End it for good and remove what arrived."""
        await self._ask("POST", f"/downloads/{download}/cancel")

    async def forget(self, download: DownloadId) -> None:
        """Take one that is done or cancelled off the list; a finished model stays on the disk."""
        await self._ask("DELETE", f"/downloads/{download}")

    async def remove_model(self, model: ModelId) -> None:
        """Delete a model from this PC's own models folder. Raises ModelNotFound, ModelNotOurs or ModelInUse."""
        await self._ask("DELETE", "/models", params={"model_id": model})

    async def access(self) -> HubAccess:
        """Which hub is asked, and where the access token comes from."""
        return HubAccess.model_validate(await self._ask("GET", "/hub/access"))

    async def keep_token(self, token: str) -> HubAccess:
        """Keep an access token for gated repositories, protected at rest."""
        told = HubToken(token=token).model_dump(mode="json")
        return HubAccess.model_validate(await self._ask("PUT", "/hub/token", json=told))

    async def forget_token(self) -> HubAccess:
        """Forget the token that was kept; one of the environment or of Hugging Face's own tools is still used."""
        return HubAccess.model_validate(await self._ask("DELETE", "/hub/token"))
