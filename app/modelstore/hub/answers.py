"""PURE: what the hub's API answers, read with suspicion: anything of the wrong kind is left out, never believed.

`GET /api/models` and `GET /api/models/OWNER/NAME` (huggingface_hub, `ModelInfo`), and
`GET /api/models/OWNER/NAME/tree/REVISION` (`RepoFile`): `lfs.oid` is the SHA-256 of the content.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.schema.download import HubModel, HubPart
from app.schema.hub_reference import is_repository

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_TAGS = 60
_LONGEST = 200
_LARGEST = 1 << 50


@dataclass(frozen=True)
class Details:
    """A repository's own facts: `revision` is a commit; `description` is put together from what the hub computed."""

    model: HubModel
    revision: str
    description: str | None


def read_models(answer: Any) -> tuple[HubModel, ...]:
    """The repositories of a search."""
    found = answer if isinstance(answer, list) else []
    return tuple(model for model in map(_model, found) if model is not None)


def read_details(answer: Any) -> Details | None:
    """One repository; None when the answer is not about one."""
    model = _model(answer)
    revision = answer.get("sha") if isinstance(answer, Mapping) else None
    if model is None or not isinstance(revision, str) or not _COMMIT.fullmatch(revision):
        return None
    return Details(model, revision, _description(answer))


def read_files(answer: Any) -> tuple[HubPart, ...]:
    """The GGUF files of a tree whose size is known; the SHA-256 only of those in large file storage."""
    return tuple(part for each in (answer if isinstance(answer, list) else []) for part in _part(each))


def _part(entry: Any) -> Iterator[HubPart]:
    if not isinstance(entry, Mapping) or entry.get("type", "file") != "file":
        return
    path, lfs = entry.get("path"), entry.get("lfs")
    lfs = lfs if isinstance(lfs, Mapping) else {}
    size = lfs.get("size", entry.get("size"))
    if not isinstance(path, str) or not path.lower().endswith(".gguf") or not _is_place(path):
        return
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= _LARGEST:
        return
    digest = lfs.get("oid")
    known = digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None
    yield HubPart(path=path, size_bytes=size, sha256=known)


def _is_place(path: str) -> bool:
    """Whether a path may be shown and asked for: not endless, no line breaks, no way out of the repository."""
    return len(path) <= 500 and path.isprintable() and not {"", ".", ".."} & set(path.split("/"))


def _model(entry: Any) -> HubModel | None:
    if not isinstance(entry, Mapping):
        return None
    repository = entry.get("id") or entry.get("modelId")
    if not isinstance(repository, str) or not is_repository(repository):
        return None
    tags = _tags(entry.get("tags"))
    author = entry.get("author")
    return HubModel(
        repository=repository,
        author=author[:_LONGEST] if isinstance(author, str) and author else repository.partition("/")[0],
        downloads=_count(entry.get("downloads")),
        likes=_count(entry.get("likes")),
        updated=_seconds(entry.get("lastModified")),
        gated=bool(entry.get("gated")),
        licence=_licence(entry.get("cardData"), tags),
        tags=tags,
    )


def _tags(found: Any) -> tuple[str, ...]:
    texts = (each for each in found if isinstance(each, str)) if isinstance(found, list) else ()
    return tuple(each for each in texts if len(each) <= _LONGEST and each.isprintable())[:_MOST_TAGS]


def _licence(card: Any, tags: tuple[str, ...]) -> str | None:
    named = card.get("license_name") or card.get("license") if isinstance(card, Mapping) else None
    tagged = next((each.removeprefix("license:") for each in tags if each.startswith("license:")), None)
    if isinstance(named, str) and named and named != "other" and named.isprintable():
        return named[:_LONGEST]
    return tagged


def _count(found: Any) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < _LARGEST else None


def _seconds(found: Any) -> float | None:
    try:
        return datetime.fromisoformat(found).timestamp() if isinstance(found, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _description(answer: Mapping[str, Any]) -> str | None:
    """From what the hub read in the files themselves and in the card: `base_model`, `gguf`."""
    facts = answer.get("gguf")
    facts = facts if isinstance(facts, Mapping) else {}
    parameters, context = _count(facts.get("total")), _count(facts.get("context_length"))
    architecture = facts.get("architecture")
    parts = [
        _parameters(parameters) if parameters else None,
        f"architecture {architecture}" if isinstance(architecture, str) and architecture.isprintable() else None,
        f"up to {context:,} tokens of context".replace(",", " ") if context else None,
        f"made from {base}" if (base := _base_model(answer.get("cardData"))) else None,
    ]
    told = ", ".join(part for part in parts if part)
    return f"{told[0].upper()}{told[1:]}." if told else None


def _parameters(count: int) -> str:
    return f"{count / 1e9:.1f} billion parameters" if count >= 1e9 else f"{count / 1e6:.0f} million parameters"


def _base_model(card: Any) -> str | None:
    named = card.get("base_model") if isinstance(card, Mapping) else None
    first = named[0] if isinstance(named, list) and named else named
    return first if isinstance(first, str) and is_repository(first) else None
