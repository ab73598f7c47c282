"""A model hub small enough for a test: Hugging Face's search, repositories, trees, and files behind a redirect.

It answers as the hub does (huggingface_hub: `list_models`, `model_info`, `list_repo_tree`, `hf_raise_for_status`), and
misbehaves as it is told (`Manner`). Also a program for a look by hand: `python -m tests.fakes.model_hub FILE.gguf...`
serves the files as `caravan/NAME-GGUF`.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.http_site import Asked, HttpSite, send, send_range


@dataclass
class Manner:
    """How the hub misbehaves; changed at any time.

    `api_status` and `file_status` with `headers` answer errors, each `failures` times, None for ever. `cut_after`: each
    body ends early after so many bytes; `pause`: seconds before each 16 KiB. `token` is the only one that opens gated
    repositories. `body` answers every question. `claimed_size` is told of every file.
    """

    ranges: bool = True
    etag: str | None = '"one"'
    cut_after: int | None = None
    pause: float = 0.0
    wrong_content: bool = False
    digests: bool = True
    api_status: int = 200
    file_status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    failures: int | None = None
    token: str | None = None
    body: bytes | None = None
    redirect_to: str | None = None
    page_length: int = 1000
    claimed_size: int | None = None


@dataclass
class Repository:
    """A repository: its files by commit, the newest last."""

    name: str
    commits: dict[str, dict[str, bytes]]
    gated: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def newest(self) -> str:
        """The commit that `main` means."""
        return list(self.commits)[-1]


def commit_of(files: Mapping[str, bytes]) -> str:
    """A commit's name, as different as its files are."""
    digest = hashlib.sha1(usedforsecurity=False)
    for path, data in sorted(files.items()):
        digest.update(path.encode() + b"\0" + data)
    return digest.hexdigest()


class ModelHub(HttpSite):
    """Serves repositories between `serving()`'s start and end."""

    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.manner = Manner()

    def add(self, name: str, files: Mapping[str, bytes], gated: bool = False, **facts: Any) -> Repository:
        """Add a repository, or a commit to one."""
        found = self.repositories.setdefault(name, Repository(name, {}, gated, facts))
        found.commits[commit_of(files)] = dict(files)
        return found

    def downloads(self) -> list[Asked]:
        """The requests for the content of files."""
        return [each for each in self.asked if each.port == 1]

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """A file, or what the API knows."""
        path = unquote(urlsplit(asked.path).path)
        if asked.port == 1:
            await self._send_file(asked, path, writer)
        elif self.manner.api_status != 200 and "/resolve/" not in path and self._fails():
            await send(writer, self.manner.api_status, self.manner.headers, b'{"error": "told to"}')
        elif self.manner.body is not None:
            await send(writer, 200, {}, self.manner.body)
        elif path == "/api/models":
            await self._send_json(writer, self._search(asked))
        elif path.startswith("/api/models/"):
            await self._send_repository(asked, path.removeprefix("/api/models/"), writer)
        else:
            await self._send_redirect(asked, path, writer)

    def _fails(self) -> bool:
        if self.manner.failures is None:
            return True
        self.manner.failures -= 1
        return self.manner.failures >= 0

    def _search(self, asked: Asked) -> list[dict[str, Any]]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}
        words = query.get("search", "").casefold().split()
        found = [each for each in self.repositories.values() if all(word in each.name.casefold() for word in words)]
        facts = sorted((self._facts(each) for each in found), key=lambda each: -int(each.get(query["sort"], 0) or 0))
        return facts[: int(query["limit"])]

    def _facts(self, found: Repository) -> dict[str, Any]:
        facts = {"downloads": 7, "likes": 3, "lastModified": "2026-05-01T10:00:00.000Z", "trendingScore": 1}
        tags = ["gguf", "license:apache-2.0"]
        named = {"id": found.name, "author": found.name.split("/")[0], "gated": "manual" if found.gated else False}
        return {**facts, "tags": tags, **named, **found.facts}

    async def _send_repository(self, asked: Asked, path: str, writer: asyncio.StreamWriter) -> None:
        owner, name, *rest = [*path.split("/"), ""]
        found = self.repositories.get(f"{owner}/{name}")
        if found is None:
            await send(writer, 401, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}')
            return
        revision = "/".join(part for part in rest[1:] if part) or "main"
        commit = found.newest if revision == "main" else revision
        if commit not in found.commits:
            await send(writer, 404, {"X-Error-Code": "RevisionNotFound"}, b'{"error": "Invalid rev id"}')
        elif rest[0] == "tree":
            await self._send_tree(asked, found.commits[commit], writer)
        else:
            siblings = [{"rfilename": each} for each in found.commits[commit]]
            await self._send_json(writer, {**self._facts(found), "sha": commit, "siblings": siblings})

    async def _send_tree(self, asked: Asked, files: Mapping[str, bytes], writer: asyncio.StreamWriter) -> None:
        start = int(parse_qs(urlsplit(asked.path).query).get("cursor", ["0"])[0])
        entries = [self._entry(path, data) for path, data in files.items()]
        end = start + self.manner.page_length
        link = f'<{self.address}{urlsplit(asked.path).path}?recursive=true&cursor={end}>; rel="next"'
        await self._send_json(writer, entries[start:end], {"Link": link} if end < len(entries) else {})

    def _entry(self, path: str, data: bytes) -> dict[str, Any]:
        size = self.manner.claimed_size or len(data)
        entry: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": "0" * 40}
        if path.endswith(".gguf") and self.manner.digests:
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 135}
        return entry

    async def _send_json(
        self, writer: asyncio.StreamWriter, value: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        await send(writer, 200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())

    async def _send_redirect(self, asked: Asked, path: str, writer: asyncio.StreamWriter) -> None:
        repository, _, rest = path.strip("/").partition("/resolve/")
        commit, _, name = rest.partition("/")
        found = self.repositories.get(repository)
        if found is None:
            await send(writer, 401, {"X-Error-Code": "RepoNotFound"}, b"")
        elif found.gated and asked.headers.get("authorization") != f"Bearer {self.manner.token}":
            status = 403 if "authorization" in asked.headers else 401
            await send(writer, status, {"X-Error-Code": "GatedRepo"}, b"")
        elif commit not in found.commits:
            await send(writer, 404, {"X-Error-Code": "RevisionNotFound"}, b"")
        elif name not in found.commits[commit]:
            await send(writer, 404, {"X-Error-Code": "EntryNotFound"}, b"")
        else:
            data = found.commits[commit][name]
            linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
            target = self.manner.redirect_to or f"{self.files_address}/{repository}/resolve/{rest.replace(' ', '%20')}"
            await send(writer, 302, {"Location": target, "X-Repo-Commit": commit, **linked}, b"")

    async def _send_file(self, asked: Asked, path: str, writer: asyncio.StreamWriter) -> None:
        manner = self.manner
        if manner.file_status != 200 and self._fails():
            await send(writer, manner.file_status, manner.headers, b"")
            return
        repository, _, rest = path.strip("/").partition("/resolve/")
        commit, _, name = rest.partition("/")
        data = self.repositories[repository].commits[commit][name]
        if manner.wrong_content:
            data = bytes(len(data))
        await send_range(
            writer, asked, data, manner.etag, manner.ranges, manner.cut_after, lambda: manner.pause, self.count
        )


async def _serve_by_hand(options: argparse.Namespace) -> None:
    hub = ModelHub()
    for path in options.files:
        hub.add(f"caravan/{path.stem}-GGUF", {path.name: path.read_bytes()})
    hub.manner.pause = options.slow / 1000
    async with hub.serving(options.port):
        sys.stdout.write(f"CARAVAN_HUB_MIRROR={hub.address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slow", type=int, default=0, help="milliseconds before each 16 KiB")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_by_hand(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
