"""Where releases come from: the manifest that ships with Caravan, and the release API it names."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from app.engine.release import Asset, Manifest, Release, read_release
from app.schema.errors import CaravanError, DownloadFailed, EngineNotOffered, WrongDigest
from app.web.asking import check_status, opened, patiently, read_json
from app.web.download import Target
from app.web.site import Site

GITHUB_API = "https://api.github.com"

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


def release_site(address: str) -> Site:
    """The site of releases at an address, with the words for its failures."""
    return Site(
        base=address,
        mirror=f"{MIRROR_VARIABLE} or the setting release_mirror",
        instead="download the files with another PC and install them with `caravan engine install --from-file FILE`",
        content="a list of files",
        judge=_judge,
    )


def _judge(response: httpx.Response, what: str) -> CaravanError | None:
    if response.status_code != 404:
        return None
    return EngineNotOffered(f"There is no {what} at {response.url.host}.", "Check the number given with --build.")


def target_of(asset: Asset) -> Target:
    """What to download for an asset. Raises WrongDigest when nobody vouches for its content."""
    if asset.sha256 is None:
        raise WrongDigest(
            f"The release names no SHA-256 for {asset.name}, so its content cannot be checked.",
            "Choose a newer build with --build, or install with --from-file what you trust.",
        )
    return Target(asset.name, asset.url, asset.size, asset.sha256)


async def look_up(
    client: httpx.AsyncClient, site: Site, manifest: Manifest, tag: str, pauses: tuple[float, ...] = LOOK_UP_PAUSES
) -> Release:
    """The release of a tag. `releases/latest` is of no use: builds are pre-releases there.

    Raises EngineNotOffered for a tag there is none of, RateLimited, or DownloadFailed.
    """
    address = f"{site.base}/repos/{manifest.repository}/releases/tags/{tag}"
    answer = await patiently(lambda: _ask(client, site, address, tag), pauses)
    release = read_release(answer, manifest) if isinstance(answer, Mapping) else None
    if release is None or release.tag != tag:
        raise DownloadFailed(f"{site.host} answered with something else than release {tag}.", site.by_hand)
    return release


async def _ask(client: httpx.AsyncClient, site: Site, address: str, tag: str) -> Any:
    async with opened(client, site, address, _API_HEADERS) as response:
        check_status(response, site, f"llama.cpp build {tag}", time.time())
        return await read_json(response, site)
