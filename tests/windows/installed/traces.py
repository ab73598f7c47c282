"""What an installation can leave on a PC: files and registry values, all of them, by name."""

import os
import winreg
from collections.abc import Iterator
from pathlib import Path

NAME = "Caravan"
LOG = Path(r"C:\netsh.log")

UNINSTALL = rf"Software\Microsoft\Windows\CurrentVersion\Uninstall\{NAME}"
RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"

_ROOTS = {"HKLM": winreg.HKEY_LOCAL_MACHINE, "HKCU": winreg.HKEY_CURRENT_USER}
_ERROR_FILE_NOT_FOUND = 2
_ERROR_INVALID_HANDLE = 6
_ERROR_KEY_DELETED = 1018
_TEMPORARY = Path(os.environ["TEMP"]).resolve()


def entry(everyone: bool) -> dict[str, object] | None:
    """What "Apps" in the Settings shows; None when it shows nothing."""
    try:
        with winreg.OpenKey(_ROOTS["HKLM" if everyone else "HKCU"], UNINSTALL) as key:
            return dict(_values(key))
    except OSError as error:
        # It may go while it is read.
        if error.winerror in (_ERROR_FILE_NOT_FOUND, _ERROR_KEY_DELETED):
            return None
        raise


def run_entry() -> str | None:
    """What starts when the user signs in."""
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN) as key:
        return dict(_values(key)).get(NAME)  # type: ignore[return-value]


def all_values() -> set[str]:
    """Every key and value below `Software` of machine and user."""
    return {name for root, hive in _ROOTS.items() for name in _below(hive, "Software", f"{root}\\Software")}


def _below(hive: int, path: str, name: str) -> Iterator[str]:
    yield name
    try:
        with winreg.OpenKey(hive, path) as key:
            values = [value for value, _ in _values(key)]
            keys = [winreg.EnumKey(key, index) for index in range(winreg.QueryInfoKey(key)[0])]
    except OSError as error:
        # Wine lists a key or two that it cannot open.
        if error.winerror in (_ERROR_FILE_NOT_FOUND, _ERROR_INVALID_HANDLE):
            return
        raise
    yield from (f"{name}\\\\{value}" for value in values)
    for inner in keys:
        yield from _below(hive, f"{path}\\{inner}", f"{name}\\{inner}")


def _values(key: winreg.HKEYType) -> Iterator[tuple[str, object]]:
    for index in range(winreg.QueryInfoKey(key)[1]):
        name, value, _ = winreg.EnumValue(key, index)
        yield name, value


def all_files() -> set[str]:
    """Every file and folder of drive C but Windows' own and temporary ones."""
    found = set()
    for folder, folders, files in os.walk("C:\\"):
        place = Path(folder)
        folders[:] = [name for name in folders if place / name not in (Path(r"C:\windows"), _TEMPORARY)]
        found.update(str(place / name) for name in (*folders, *files))
    return found - {str(LOG)}
