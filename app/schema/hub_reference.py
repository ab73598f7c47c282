"""PURE: what people paste to name a model on the hub: `owner/name`, `hf.co/owner/name:Q4_K_M`, a page's address."""

import re
from urllib.parse import unquote

from app.schema.record import Record

HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co", "hf-mirror.com"})
"""Hosts whose addresses name models of the hub."""

TEXT_LIMIT = 1000

_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?")
_OTHER_KINDS = frozenset({"datasets", "spaces", "models", "docs", "papers", "collections", "blog", "api"})
_SCHEME = re.compile(r"(https?|hf)://", re.IGNORECASE)
_VIEWS = frozenset({"tree", "blob", "resolve", "raw"})


class HubReference(Record):
    """A repository as `owner/name`, and what of it is meant: a file's path or a quantization, and a revision."""

    repository: str
    file: str | None = None
    revision: str | None = None


def read_reference(text: str) -> HubReference | None:
    """The reference that a text is; None when it is none, so words to search for."""
    if len(text) > TEXT_LIMIT:
        return None
    rest = re.split(r"[?#]", text.strip().strip("<>\"'"))[0]
    scheme = _SCHEME.match(rest)
    parts = [unquote(part) for part in rest[scheme.end() if scheme else 0 :].strip("/").split("/")]
    if parts[0].casefold() in HUB_HOSTS:
        parts = parts[1:]
    elif scheme and scheme[1].lower() != "hf":
        return None
    return _of(parts)


def is_repository(text: str) -> bool:
    """Whether a text is `owner/name`, as the hub allows it (see huggingface_hub's `validate_repo_id`)."""
    owner, _, name = text.partition("/")
    return all(_is_name(part) for part in (owner, name)) and owner.casefold() not in _OTHER_KINDS


def _is_name(text: str) -> bool:
    return bool(_REPOSITORY.fullmatch(text)) and "--" not in text and ".." not in text and not text.endswith(".git")


def is_revision(text: str) -> bool:
    """Whether a text can be the name of a branch, a tag or a commit, and nothing else in an address."""
    return bool(_REVISION.fullmatch(text)) and ".." not in text and "//" not in text


def _of(parts: list[str]) -> HubReference | None:
    if len(parts) < 2:
        return None
    name, _, tag = parts[1].partition(":")
    repository = f"{parts[0]}/{name}"
    if not is_repository(repository):
        return None
    if len(parts) == 2:
        return HubReference(repository=repository, file=tag or None)
    if tag or parts[2] not in _VIEWS:
        return None
    revision = parts[3] if len(parts) > 3 and is_revision(parts[3]) else None
    path = "/".join(parts[4:])
    is_model = revision is not None and path.lower().endswith(".gguf")
    return HubReference(repository=repository, file=path if is_model else None, revision=revision)
