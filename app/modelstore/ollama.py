"""Models that Ollama has downloaded: GGUF blobs without a name, and manifests that name them.

Layout: `manifests/<host>/<namespace>/<model>/<tag>` is JSON; its layer of media type
`application/vnd.ollama.image.model` has the digest of the file `blobs/sha256-<hex>`.
"""

import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

log = logging.getLogger(__name__)

_DIGEST: Final = re.compile(r"sha256[:-]([0-9a-f]{64})")
_MODEL: Final = "application/vnd.ollama.image.model"
_PROJECTOR: Final = "application/vnd.ollama.image.projector"
_DEFAULT_PLACE: Final = ("registry.ollama.ai", "library")
_MAX_MANIFEST_BYTES: Final = 1 << 20
_MAX_MANIFESTS: Final = 10_000


class OllamaModel(NamedTuple):
    """A named blob: `name` is `model:tag`, with namespace or host in front when they are not Ollama's own."""

    name: str
    blob: Path
    projector: Path | None


def ollama_models(folder: Path) -> list[OllamaModel]:
    """The models of one Ollama folder by name; empty when `folder` is none. Damaged manifests are logged."""
    manifests, blobs = folder / "manifests", folder / "blobs"
    if not manifests.is_dir() or not blobs.is_dir():
        return []
    found = []
    for path in _manifests(manifests):
        layers = _layers(path)
        if _MODEL in layers:
            projector = blobs / layers[_PROJECTOR] if _PROJECTOR in layers else None
            found.append(OllamaModel(_name(path.relative_to(manifests)), blobs / layers[_MODEL], projector))
    return sorted(found)


def _manifests(folder: Path) -> Iterator[Path]:
    """Files four levels down: host, namespace, model, tag."""
    left = _MAX_MANIFESTS
    for current, subfolders, files in os.walk(folder):
        depth = len(Path(current).relative_to(folder).parts)
        if depth >= 3:
            subfolders.clear()
            yield from (Path(current) / name for name in files[:left])
            left -= min(left, len(files))


def _name(manifest: Path) -> str:
    *place, model, tag = manifest.parts
    if tuple(place) == _DEFAULT_PLACE:
        place = []
    elif place[0] == _DEFAULT_PLACE[0]:
        place = place[1:]
    return "/".join((*place, f"{model}:{tag}"))


def _layers(manifest: Path) -> dict[str, str]:
    """Blob file names by media type, the first of each; only well-formed digests, so no path can escape."""
    found: dict[str, str] = {}
    for layer in _read(manifest):
        kind, digest = layer.get("mediaType"), layer.get("digest")
        match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
        if isinstance(kind, str) and match is not None:
            found.setdefault(kind, f"sha256-{match[1]}")
    return found


def _read(manifest: Path) -> list[dict[str, Any]]:
    try:
        with open(manifest, "rb") as file:
            content = json.loads(file.read(_MAX_MANIFEST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        log.info("passing over the Ollama manifest %s: %s", manifest, error)
        return []
    layers = content.get("layers") if isinstance(content, dict) else None
    return [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
