"""PURE: where a model of the hub goes on this PC, with names that every file system takes."""

import re
from pathlib import Path, PurePosixPath

from app.modelstore.gguf import part_name

NAME_LIMIT = 120
"""Characters of one name: with folders around it, the path stays below what Windows takes without asking."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?:con|conin\$|conout\$|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)


def safe_name(text: str) -> str:
    """A name for a file or folder that Windows and Linux take and that stays where it is put; never empty.

    See "Naming Files, Paths, and Namespaces" (Microsoft) for what Windows reserves.
    """
    name = _FORBIDDEN.sub("_", text).strip(" .")[:NAME_LIMIT].strip(" .")
    return f"_{name}" if not name or _RESERVED.match(name) or name.startswith("._") else name


def safe_file_name(path: str) -> str:
    """The name for the file at a path of a repository; the number of a part and `.gguf` are kept however long it is."""
    name = PurePosixPath(path).name
    split = part_name(name)
    tail = f"-{split.number:05d}-of-{split.total:05d}.gguf" if split else ".gguf"
    stem = split.stem if split else name[: -len(".gguf")]
    return f"{safe_name(stem)[: NAME_LIMIT - len(tail)]}{tail}"


def folder_for(models: Path, repository: str) -> Path:
    """The folder of a repository's models: `models/OWNER/NAME`."""
    owner, _, name = repository.partition("/")
    return models / safe_name(owner) / safe_name(name)
