"""The engines Caravan installed itself: one folder each, and `current.json`, which says which one is in use.

A folder of ours holds `caravan-engine.json`, written first; nothing without it is ever deleted. The pointer is replaced
atomically, so a crash leaves the old engine or the new one in use.
"""

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import ValidationError

from app.schema.engine import EngineBackend
from app.schema.errors import DiskUnusable
from app.schema.record import Record
from app.system.files import plain_reason, read_json_or_none, write_atomically

POINTER = "current.json"
LABEL = "caravan-engine.json"
NEW_SUFFIX = ".new"

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries to rename a folder that a virus scanner looks into."""

_log = logging.getLogger("caravan.engine")


class Source(Record):
    """An archive an engine was unpacked from."""

    name: str
    sha256: str


class Label(Record):
    """What a folder of ours holds. `checked` False: the user's own files, whose origin nobody vouches for."""

    tag: str
    backend: EngineBackend | None = None
    sources: tuple[Source, ...] = ()
    checked: bool = True


class _Pointer(Record):
    folder: str
    previous: str | None = None


def installed_folder(engine_folder: Path) -> Path | None:
    """The engine in use below `engine_folder`: the current one, else the one before it. None when neither is there."""
    pointer = _read_pointer(engine_folder)
    names = (pointer.folder, pointer.previous) if pointer else ()
    return next((engine_folder / name for name in names if name and (engine_folder / name).is_dir()), None)


def read_label(folder: Path) -> Label | None:
    """What a folder of ours holds, None for every other folder."""
    try:
        return Label.model_validate(read_json_or_none(folder / LABEL))
    except ValidationError:
        return None


def _read_pointer(engine_folder: Path) -> _Pointer | None:
    try:
        pointer = _Pointer.model_validate(read_json_or_none(engine_folder / POINTER))
    except ValidationError:
        return None
    names = (pointer.folder, pointer.previous)
    return pointer if all(name is None or _is_plain(name) for name in names) else None


def _is_plain(name: str) -> bool:
    return name == Path(name).name and name not in ("", ".", "..")


def new_folder(engine_folder: Path, name: str) -> Path:
    """Where an engine lies until it is in use."""
    return engine_folder / f"{name}{NEW_SUFFIX}"


def begin(engine_folder: Path, name: str, label: Label) -> Path:
    """An empty folder to unpack into, labelled as ours. Raises DiskUnusable."""
    new = new_folder(engine_folder, name)
    try:
        _remove(new)
        new.mkdir(parents=True)
        write_atomically(new / LABEL, label.model_dump_json(indent=2).encode())
    except OSError as error:
        raise _unusable(new, error) from error
    return new


def switch(engine_folder: Path, new: Path, in_use: Collection[Path] = ()) -> Path:
    """Give an unpacked and probed engine its name and use it from now on; returns its folder.

    The engine installed until now stays, and each that is `in_use` (its folder or a program in it); older ones go.
    Raises DiskUnusable; the old one is then still in use.
    """
    before = installed_folder(engine_folder)
    keep = {folder for path in in_use for folder in (path, *path.parents)} | ({before} if before else set())
    try:
        target = _free_name(engine_folder, new.name.removesuffix(NEW_SUFFIX), keep)
        _rename_patiently(new, target)
        pointer = _Pointer(folder=target.name, previous=before.name if before else None)
        write_atomically(engine_folder / POINTER, pointer.model_dump_json(indent=2).encode())
    except OSError as error:
        raise _unusable(new, error) from error
    _remove_old(engine_folder, {target, *keep})
    return target


def _free_name(engine_folder: Path, wanted: str, in_use: Collection[Path]) -> Path:
    """`wanted`, or `wanted-2`... while a folder of that name is in use, not ours, or cannot be removed."""
    for name in _names(wanted):
        folder = engine_folder / name
        if folder not in in_use and read_label(folder) is not None:
            with contextlib.suppress(OSError):
                _remove(folder)
        if not folder.exists():
            return folder
    raise OSError(f"no free name like {wanted}")


def _names(wanted: str) -> Iterator[str]:
    yield wanted
    yield from (f"{wanted}-{number}" for number in range(2, 100))


def _rename_patiently(source: Path, target: Path) -> None:
    for pause in _PAUSES:
        try:
            os.rename(source, target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.rename(source, target)


def _remove_old(engine_folder: Path, keep: Collection[Path]) -> None:
    for folder in engine_folder.iterdir():
        if folder.is_dir() and folder not in keep and read_label(folder) is not None:
            try:
                _remove(folder)
            except OSError as error:
                _log.info("The old engine %s stays for now: %s", folder, plain_reason(error))


def _remove(folder: Path) -> None:
    """Remove a folder of ours. It is renamed first: that fails on Windows while one of its programs runs."""
    if not folder.exists():
        return
    doomed = folder.with_name(f"{folder.name}.old")
    if doomed != folder and not doomed.exists():
        os.rename(folder, doomed)
    else:
        doomed = folder
    # The label goes last, so that what could not be removed is tried again next time.
    for entry in sorted(doomed.iterdir(), key=lambda each: each.name == LABEL):
        remove_entry(entry)
    doomed.rmdir()


def remove_entry(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def discard(new: Path) -> None:
    """Remove what was unpacked and not used."""
    try:
        _remove(new)
    except OSError as error:
        _log.info("%s stays for now: %s", new, plain_reason(error))


def _unusable(folder: Path, error: OSError) -> DiskUnusable:
    return DiskUnusable(
        f"The new engine cannot be put into {folder.parent}: {plain_reason(error)}.",
        "Make room or allow writing there. A virus scanner may hold a file: try again in a minute.",
        (str(error),),
    )
