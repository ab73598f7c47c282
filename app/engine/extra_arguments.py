"""PURE: what a user adds to llama-server's command line, and the older program's settings that still mean something.

Extra arguments are a list, never a text that is split later: a path with spaces is one item.
"""

import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.engine.reserved import normal, reason
from app.engine.splitting import split
from app.schema.engine import EngineBuild
from app.schema.errors import InputError

LONGEST = 4096
"""Characters of one argument; more is a mistake."""

OLD_SERVER_TEMPLATE = "EXO_LLAMA_SERVER_ARGS_TEMPLATE"
OLD_WORKER_TEMPLATE = "EXO_LLAMA_RPC_ARGS_TEMPLATE"
OLD_SERVER_PORT = "EXO_LLAMA_SERVER_PORT"
OLD_WORKER_PORT = "EXO_LLAMA_RPC_PORT"

_IGNORED = {
    "EXO_LLAMA_GPU_LAYERS": "the plan decides how many layers each PC holds",
    "EXO_LLAMA_SERVER_STARTUP_TIMEOUT_SECONDS": "a launch is given up only when nothing moves any more",
}


def check(arguments: Sequence[str], build: EngineBuild) -> tuple[str, ...]:
    """The arguments, when the build knows them all and none is Caravan's own.

    Raises InputError naming the first bad one.
    """
    for argument in arguments:
        _check_text(argument)
        if is_option(argument):
            _check_option(argument, build)
    if arguments and not is_option(arguments[0]):
        raise InputError(
            f"The extra arguments begin with {arguments[0]!r}, which is no option.",
            "Write one option or value per item, for example: --temp, 0.7.",
        )
    return tuple(arguments)


def is_option(argument: str) -> bool:
    """Whether the engine would read it as an option's name: a dash and no number behind it."""
    return argument.startswith("-") and not _is_number(argument)


def _is_number(text: str) -> bool:
    return text[1:2].isdigit() or text[1:2] == "."


def _check_text(argument: str) -> None:
    if not argument or len(argument) > LONGEST or not argument.isprintable():
        raise InputError(
            f"An extra argument is empty, too long or has unprintable characters: {argument[:60]!r}.",
            "Write one option or value per item.",
        )


def _check_option(argument: str, build: EngineBuild) -> None:
    name = normal(argument)
    why = reason(argument)
    if why is not None:
        raise InputError(f"The extra argument {name} cannot be used: {why}.", "Remove it.")
    if "=" in argument:
        raise InputError(
            f"The extra argument {argument} has a value behind an equals sign, which llama-server does not understand.",
            f"Write the value as an item of its own: {name}, {argument.partition('=')[2]}.",
        )
    if not build.accepts(name):
        raise InputError(
            f"The engine on this PC ({build.identity}) does not know the extra argument {argument}.", _hint(name, build)
        )


def _hint(name: str, build: EngineBuild) -> str:
    options = sorted(flag for flag in build.flags if reason(flag) is None and "=" not in flag)
    close = difflib.get_close_matches(name, options, n=1)
    return f"Did you mean {close[0]}?" if close else "Remove it; `llama-server --help` lists what it knows."


@dataclass(frozen=True)
class LegacySettings:
    """What the environment variables of the older program still mean. `notices` are sentences worth showing once.

    `server_port` and `worker_port` are where to begin looking for a free port, None when not set.
    """

    extra_arguments: tuple[str, ...] = ()
    model_folders: tuple[str, ...] = ()
    server_port: int | None = None
    worker_port: int | None = None
    notices: tuple[str, ...] = ()


def legacy_settings(environment: Mapping[str, str], *, windows: bool = sys.platform == "win32") -> LegacySettings:
    """Read the older program's variables. A value that makes no sense is left out with a notice, never an error."""
    notices: list[str] = []
    extra = _server_template(environment.get(OLD_SERVER_TEMPLATE, ""), windows, notices)
    if environment.get(OLD_WORKER_TEMPLATE, "").strip():
        notices.append(f"{OLD_WORKER_TEMPLATE} is ignored: Caravan sets every option of rpc-server itself.")
    server_port = _port(environment, OLD_SERVER_PORT, notices)
    worker_port = _port(environment, OLD_WORKER_PORT, notices)
    for variable, why in _IGNORED.items():
        if environment.get(variable, "").strip():
            notices.append(f"{variable} is ignored: {why}.")
    return LegacySettings(extra, _folders(environment), server_port, worker_port, tuple(notices))


def _folders(environment: Mapping[str, str]) -> tuple[str, ...]:
    texts = (environment.get(name, "") for name in ("EXO_MODELS_DIR", "EXO_MODELS_DIRS"))
    folders = (folder.strip().strip('"') for text in texts for folder in text.split(";"))
    return tuple(dict.fromkeys(folder for folder in folders if folder))


def _port(environment: Mapping[str, str], variable: str, notices: list[str]) -> int | None:
    text = environment.get(variable, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        notices.append(f"{variable} is ignored: {text[:40]!r} is no port number.")
        return None
    notices.append(f"{variable} is only where the search for a free port begins; every model gets a port of its own.")
    return int(text)


def _server_template(text: str, windows: bool, notices: list[str]) -> tuple[str, ...]:
    """Split first, then look at the items: a path with spaces that is filled in later stays one argument."""
    if not text.strip():
        return ()
    try:
        items = split(text, windows=windows)
    except ValueError as error:
        notices.append(f"{OLD_SERVER_TEMPLATE} is ignored: it cannot be read ({error}).")
        return ()
    kept = tuple(item for group in _groups(items) if not _is_ours(group) for item in group)
    said = f"these go to llama-server: {' '.join(kept)}" if kept else "Caravan sets everything in it itself"
    notices.append(f"{OLD_SERVER_TEMPLATE} is used as extra arguments; {said}.")
    return kept


def _groups(items: Sequence[str]) -> list[tuple[str, ...]]:
    """An option with the values behind it, in order. Values before the first option are dropped with their group."""
    groups: list[list[str]] = []
    for item in items:
        if is_option(item):
            groups.append([item])
        elif groups:
            groups[-1].append(item)
    return [tuple(group) for group in groups]


def _is_ours(group: tuple[str, ...]) -> bool:
    return reason(group[0]) is not None or any("{" in item and "}" in item for item in group)
