"""The installer: what NSIS needs beside its script, and the command that makes it.

The lists are sorted and every file carries the source's date, so the same program gives the same installer.
"""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath

from app import __version__
from app.system.firewall import ENGINE_PROGRAMS, addition, removal, wanted_rules
from installer import contents, version

ENGINE_FOLDER = "engine"
"""Folder of a bundled llama.cpp beside the programs."""

_PROGRAMS = (f"{contents.WINDOWED}.exe", f"{contents.CONSOLE}.exe")
_STAND_IN = PureWindowsPath(r"C:\folder of the program")
"""Stands for the folder that is known only when the installer runs; its spaces make it quoted."""

_NETSH = "netsh.exe"


@dataclass(frozen=True)
class Ingredients:
    """What one installer is made of. Folders are as makensis sees them, which need not be this system.

    `root` is the checkout, `generated` the folder of `write_lists`, `size` the bytes it takes when installed.
    `sign_command` signs the file whose name is put after it.
    """

    root: PurePath
    generated: PurePath
    outfile: PurePath
    size: int
    sign_command: str | None = None


def setup_name() -> str:
    """The installer's file name."""
    return f"Caravan-{__version__}-setup.exe"


def write_lists(program: Path, seen_as: PurePath, generated: Path) -> None:
    """Write the lists that the script includes: what to unpack, which firewall rules to make and to remove.

    `seen_as` is the folder of the program as makensis sees it.
    """
    generated.mkdir(parents=True, exist_ok=True)
    files = sorted((path.relative_to(program) for path in program.rglob("*") if path.is_file()), key=PurePath.as_posix)
    has_engine = any(path.parts[0] == ENGINE_FOLDER for path in files)
    lists = {
        "files.nsh": file_lines(files, seen_as),
        "firewall-add.nsh": firewall_lines(_to_add(has_engine)),
        "firewall-remove.nsh": firewall_lines(_to_remove()),
    }
    for name, lines in lists.items():
        # NSIS takes a file for UTF-8 only with this mark.
        (generated / name).write_text("\ufeff" + "".join(f"{line}\n" for line in lines), "utf-8", newline="\n")


def file_lines(files: Iterable[PurePath], program: PurePath) -> Iterator[str]:
    """NSIS lines that unpack files, given by their place in the program; the shared modules are unpacked once."""
    folder = None
    for file in files:
        if file == PurePath(f"{contents.CONSOLE}.pkg"):
            continue
        if file.parent != folder:
            folder = file.parent
            yield f'SetOutPath "{_nsis(_below("$INSTDIR", folder))}"'
        yield f'File "{_nsis(str(program / file))}"'


def _below(folder: str, inner: PurePath) -> str:
    return "\\".join((folder, *inner.parts))


def _nsis(text: str) -> str:
    """A text in an NSIS string; `$INSTDIR` at its beginning stays what it is."""
    head, rest = ("$INSTDIR", text.removeprefix("$INSTDIR")) if text.startswith("$INSTDIR") else ("", text)
    return head + rest.replace("$", "$$")


def _to_add(has_engine: bool) -> Iterator[Sequence[str]]:
    programs = [str(_STAND_IN / name) for name in _PROGRAMS]
    engines = [str(_STAND_IN / ENGINE_FOLDER / name) for name in ENGINE_PROGRAMS] if has_engine else []
    yield from _to_remove()
    for rule in wanted_rules(programs, engines):
        yield addition(rule, _NETSH)


def _to_remove() -> Iterator[Sequence[str]]:
    yield from removal(_NETSH, [str(_STAND_IN / name) for name in _PROGRAMS])


def firewall_lines(commands: Iterable[Sequence[str]]) -> Iterator[str]:
    """NSIS lines that run `netsh` commands; one that fails stops nothing, deletion fails when there is no rule."""
    for _, *arguments in commands:
        line = subprocess.list2cmdline(arguments).replace(str(_STAND_IN), "$INSTDIR")
        yield f"nsExec::Exec '\"$SYSDIR\\{_NETSH}\" {line}'"
        yield "Pop $0"


def makensis_command(makensis: str, given: Ingredients) -> list[str]:
    """The argument list that makes the installer; warnings are errors."""
    defined = {
        "VERSION": __version__,
        "VERSION_NUMBERS": ".".join(str(number) for number in version.version_numbers()),
        "COMPANY": version.COMPANY,
        "COPYRIGHT": version.COPYRIGHT,
        "OUTFILE": given.outfile,
        "ICON": given.root / "resources" / "windows" / "caravan.ico",
        "LICENCE": given.root / "LICENSE",
        "GENERATED": given.generated,
        "SIZE_KIB": -(-given.size // 1024),
        **({"SIGN_COMMAND": given.sign_command} if given.sign_command else {}),
    }
    values = [f"-D{name}={value}" for name, value in defined.items()]
    return [makensis, "-V2", "-WX", "-INPUTCHARSET", "UTF8", *values, str(given.root / "installer" / "caravan.nsi")]
