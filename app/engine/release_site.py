"""Where releases come from: the manifest that ships with Caravan, and the release API it names."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from app.engine.release import Manifest, Release, read_release
from app.engine.web import BY_HAND, GITHUB_API, TryAgain, check_status, is_loopback, opened, read_json
from app.schema.errors import DownloadFailed

MIRROR_VARIABLE = "CARAVAN_RELEASE_MIRROR"
"""Address of a stand-in for GitHub's release API: https, or http on this PC."""

LOOK_UP_PAUSES = (1.0, 3.0)
"""Seconds before each new try to ask for a release."""

_API_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def read_manifest(resources: Path) -> Manifest:
    """The manifest that ships with the program. Raises OSError or ValueError for a damaged installation."""
    return Manifest.model_validate_json((resources / "engine-manifest.json").read_bytes())


def site_address(setting: str | None, environment: Mapping[str, str]) -> str:
    """The release API to ask: the setting, else the environment variable, else GitHub's. No slash at its end."""
    chosen = setting or environment.get(MIRROR_VARIABLE, "").strip() or GITHUB_API
    return chosen.rstrip("/")


async def look_up(
    client: httpx.AsyncClient, base: str, manifest: Manifest, tag: str, pauses: tuple[float, ...] = LOOK_UP_PAUSES
) -> Release:
    """The release of a tag. `releases/latest` is of no use: builds are pre-releases there.

    Raises EngineNotOffered for a tag there is none of, RateLimited, or DownloadFailed.
    """
    address = f"{base}/repos/{manifest.repository}/releases/tags/{tag}"
    for pause in (*pauses, None):
        try:
            answer = await _ask(client, base, address, tag)
            break
        except TryAgain as again:
            if pause is None:
                raise again.told from again
            await asyncio.sleep(pause)
    release = read_release(answer, manifest) if isinstance(answer, Mapping) else None
    if release is None or release.tag != tag:
        raise DownloadFailed(f"{httpx.URL(base).host} answered with something else than release {tag}.", BY_HAND)
    return release


async def _ask(client: httpx.AsyncClient, base: str, address: str, tag: str) -> Any:
    async with opened(client, address, _API_HEADERS, is_loopback(base)) as response:
        check_status(response, f"llama.cpp build {tag}", time.time())
        return await read_json(response, response.url.host)
