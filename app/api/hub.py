"""The part of `/caravan/v1` about models that are not here yet: the hub and downloads; and deleting a model."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.answers import Done
from app.node.node import Node
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
from app.schema.hub_reference import TEXT_LIMIT
from app.schema.plan import PlanAnswer
from app.schema.record import ModelId


def add_hub(router: APIRouter, node: Node) -> None:
    """Add the routes over one node."""
    _add_questions(router, node)
    _add_downloads(router, node)


def _add_questions(router: APIRouter, node: Node) -> None:
    @router.get("/hub/models")
    async def search(
        text: Annotated[str, Query(max_length=200)] = "",
        sort: HubSort = HubSort.DOWNLOADS,
        limit: Annotated[int, Query(ge=1, le=100)] = 30,
    ) -> tuple[HubModel, ...]:
        """Repositories with GGUF files that a text finds."""
        return await node.hub.search(text, sort, limit)

    @router.get("/hub/repository")
    async def repository(reference: Annotated[str, Query(max_length=TEXT_LIMIT)]) -> HubRepository:
        """One repository: `owner/name`, `hf.co/owner/name:Q4_K_M`, or the address of a page."""
        return await node.hub.repository(reference)

    @router.post("/hub/plan")
    async def plan(question: HubQuestion) -> PlanAnswer:
        """Where a model would run if it were here; only the header of its file is fetched."""
        return await node.hub.plan(question)

    @router.get("/hub/access")
    async def access() -> HubAccess:
        """Which hub is asked, and where the access token comes from; never the token."""
        return await node.hub.access()

    @router.put("/hub/token")
    async def keep_token(token: HubToken) -> HubAccess:
        """Keep an access token for gated repositories."""
        return await node.hub.keep_token(token.token)

    @router.delete("/hub/token")
    async def forget_token() -> HubAccess:
        """Forget the kept token."""
        return await node.hub.forget_token()


def _add_downloads(router: APIRouter, node: Node) -> None:
    @router.post("/downloads", status_code=202)
    async def download(request: DownloadRequest) -> Download:
        """Download a model; follow `downloads` of the status. What is on the list already is resumed or shown."""
        return await node.downloads.start(request)

    @router.post("/downloads/{download_id}/pause")
    async def pause(download_id: DownloadId) -> Download:
        """Stop for now; what arrived is kept."""
        return await node.downloads.pause(download_id)

    @router.post("/downloads/{download_id}/resume")
    async def resume(download_id: DownloadId) -> Download:
        """Go on with one that is paused or failed."""
        return await node.downloads.resume(download_id)

    @router.post("/downloads/{download_id}/cancel")
    async def cancel(download_id: DownloadId) -> Download:
        """End it for good and remove what arrived."""
        return await node.downloads.cancel(download_id)

    @router.delete("/downloads/{download_id}")
    async def forget(download_id: DownloadId) -> Done:
        """Take one that has ended off the list; a finished model stays."""
        await node.downloads.forget(download_id)
        return Done()

    @router.delete("/models")
    async def remove_model(model_id: Annotated[ModelId, Query(min_length=1, max_length=1000)]) -> Done:
        """Delete a model from this PC's own models folder."""
        await node.remove_model(model_id)
        return Done()
