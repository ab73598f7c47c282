"""Tell local builds apart: they have no build number, and two of them that differ would compute garbage together."""

import hashlib
from pathlib import Path

_OURS = ("ggml", "llama")


def fingerprint(server: Path) -> str:
    """SHA-256 over the names and contents of llama.cpp's programs and libraries in the server's folder (blocking).

    Links are left out: they only repeat a file. Files that cannot be read make it differ from every other build's.
    """
    digest = hashlib.sha256()
    for path in sorted(server.parent.iterdir()):
        if path.is_file() and not path.is_symlink() and _is_engine(path.name):
            digest.update(path.name.encode("utf-8", "replace"))
            digest.update(_content(path))
    return digest.hexdigest()


def _is_engine(name: str) -> bool:
    stem = name.lower()
    is_library = ".so" in stem or stem.endswith((".dll", ".dylib"))
    is_worker = stem.removesuffix(".exe").endswith("rpc-server")
    return is_worker or (is_library and any(word in stem for word in _OURS))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return repr((str(path), error)).encode()
