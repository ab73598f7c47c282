"""Asking the hub: search, one repository with its files, the shape of a model that is still there."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from app.modelstore.hub.answers import Details, read_details, read_files, read_models
from app.modelstore.hub.files import group_files
from app.modelstore.hub.header import read_remote_shape
from app.modelstore.hub.site import HubPlace, hub_site
from app.schema.download import HubFile, HubModel, HubPart, HubSort
from app.schema.errors import DownloadFailed, DownloadInterrupted
from app.schema.model import ModelShape
from app.web.asking import check_status, opened, patiently, read_json, web_client
from app.web.site import Site

PAUSES = (1.0, 3.0)
"""Seconds before each new try of a question."""

PATIENCE_SECONDS = 60.0
"""Longest time for one question with everything that belongs to it."""

MOST_PAGES = 20
"""Most pages of a list of files that are read, of some 1000 entries each."""

MOST_KEPT = 64
"""Shapes, and repositories at a commit, that are remembered."""

_SORT_KEYS = {
    HubSort.DOWNLOADS: "downloads",
    HubSort.LIKES: "likes",
    HubSort.UPDATED: "lastModified",
    HubSort.TRENDING: "trendingScore",
}
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_SEARCH_FIELDS = ("author", "downloads", "gated", "lastModified", "likes", "tags")


@dataclass(frozen=True)
class Listing:
    """A repository at one commit. `files` are its models, smallest first."""

    details: Details
    files: tuple[HubFile, ...]
    projectors: tuple[HubFile, ...]


class Hub:
    """Questions to the hub. `place` tells at each of them which hub it is, and as whom it is asked."""

    def __init__(self, place: Callable[[], Awaitable[HubPlace]], pauses: tuple[float, ...] = PAUSES) -> None:
        self._place = place
        self._pauses = pauses
        self._shapes: OrderedDict[tuple[str | None, ...], ModelShape] = OrderedDict()
        self._listings: OrderedDict[tuple[str, str], Listing] = OrderedDict()

    async def site(self) -> Site:
        """The hub as it is asked now."""
        return hub_site(await self._place())

    async def search(self, text: str, sort: HubSort, limit: int) -> tuple[HubModel, ...]:
        """Repositories with GGUF files. Raises DownloadFailed."""
        asked = {"search": text, "filter": "gguf", "sort": _SORT_KEYS[sort], "direction": -1, "limit": limit}
        query = urlencode([*asked.items(), *(("expand", field) for field in _SEARCH_FIELDS)])
        async with self._asking() as (client, site):
            return read_models(await self._json(client, site, f"{site.base}/api/models?{query}", "search"))

    async def look(self, repository: str, revision: str | None = None) -> Listing:
        """A repository and its files at a revision, the newest without one; what a commit holds is remembered.

        Raises RepositoryNotFound, HubFileNotFound for an unknown revision, GatedRepository or DownloadFailed.
        """
        if revision is not None and (known := self._listings.get((repository, revision))) is not None:
            return known
        async with self._asking() as (client, site):
            address = f"{site.base}/api/models/{repository}"
            at = f"/revision/{quote(revision, safe='')}" if revision else ""
            what = f"repository {repository}" + (f" at {revision}" if revision else "")
            details = read_details(await self._json(client, site, f"{address}{at}", what))
            if details is None:
                raise DownloadFailed(f"{site.host} answered with something else than a repository.", site.by_hand)
            parts = await self._tree(client, site, f"{address}/tree/{details.revision}?recursive=true", what)
        found = group_files(parts)
        projectors = tuple(file for file in found if file.is_projector)
        listing = Listing(details, tuple(file for file in found if not file.is_projector), projectors)
        _remember(self._listings, (repository, details.revision), listing)
        return listing

    async def shape(self, repository: str, revision: str, file: HubFile) -> ModelShape:
        """The shape of a model from the headers of its files there; remembered by their content.

        Raises a child of ModelUnreadable, or as `look`.
        """
        known = self.known_shape(file)
        if known is not None:
            return known
        async with self._asking() as (client, site):
            there = tuple((file_address(site, repository, revision, part), part) for part in file.parts)
            shape = await read_remote_shape(client, site, there, self._pauses)
        _remember(self._shapes, tuple(part.sha256 for part in file.parts), shape)
        return shape

    def known_shape(self, file: HubFile) -> ModelShape | None:
        """The shape of a file whose header was read before, told by its content."""
        key = tuple(part.sha256 for part in file.parts)
        return None if None in key else self._shapes.get(key)

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[tuple[httpx.AsyncClient, Site]]:
        """A client for one question, which has to be answered in time. Raises DownloadInterrupted."""
        site = await self.site()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), web_client(site) as client:
                yield client, site
        except TimeoutError as error:
            raise DownloadInterrupted(f"{site.host} takes too long to answer.", site.by_hand) from error

    async def _tree(self, client: httpx.AsyncClient, site: Site, address: str, what: str) -> list[HubPart]:
        parts: list[HubPart] = []
        following: str | None = address
        for _ in range(MOST_PAGES):
            if following is None:
                break
            answer, links = await self._page(client, site, following, what)
            parts.extend(read_files(answer))
            following = _next_page(site, links)
        return parts

    async def _json(self, client: httpx.AsyncClient, site: Site, address: str, what: str) -> Any:
        return (await self._page(client, site, address, what))[0]

    async def _page(
        self, client: httpx.AsyncClient, site: Site, address: str, what: str
    ) -> tuple[Any, Mapping[Any, Mapping[str, str]]]:
        async def ask() -> tuple[Any, Mapping[Any, Mapping[str, str]]]:
            async with opened(client, site, address, {}) as response:
                check_status(response, site, what, time.time())
                return await read_json(response, site), response.links

        return await patiently(ask, self._pauses)


def _remember(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    kept[key] = value
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)


def file_address(site: Site, repository: str, revision: str, part: HubPart) -> str:
    """Where a file of a repository is: the hub answers with a redirect to where its content lies."""
    return f"{site.base}/{repository}/resolve/{quote(revision, safe='')}/{quote(part.path)}"


def _next_page(site: Site, links: Mapping[Any, Mapping[str, str]]) -> str | None:
    """The address of the next page of a list (RFC 8288), if it is at the hub itself."""
    address = links.get("next", {}).get("url")
    if address is None:
        return None
    url = site.parsed(site.base).join(site.parsed(address))
    return str(url) if site.is_own(url) else None
