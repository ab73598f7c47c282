"""Whether Caravan starts when the user signs in: the user's own entry, never the machine's.

Windows: a value below `HKCU\\...\\Run`; Task Manager keeps the user's switch for it in `StartupApproved\\Run`, whose
first byte is odd when it is off (observed; Microsoft documents the switch, not the bytes). Elsewhere: a desktop file
in `autostart` (freedesktop.org, "Desktop Application Autostart Specification").
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app.system.files import write_atomically

ENTRY = "Caravan"
"""The name of the entry; the uninstaller removes the one of this name."""

_DESKTOP_KEYS_OFF = ("hidden=true", "x-gnome-autostart-enabled=false")


def exec_line(command: Sequence[str]) -> str:
    """An argument list as the `Exec` value of a desktop file: quoted, with its two layers of escapes."""
    quoted = []
    for argument in command:
        inner = "".join(f"\\{char}" if char in '"`$\\' else char for char in argument.replace("%", "%%"))
        quoted.append(f'"{inner}"')
    return " ".join(quoted).replace("\\", "\\\\")


def is_approved(switch: bytes | None) -> bool:
    """Whether Task Manager's switch lets an entry start; an entry it never saw is on."""
    return not switch or switch[0] % 2 == 0


if sys.platform == "win32":
    import winreg

    _RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
    _APPROVED = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"

    def _value(path: str, name: str) -> object | None:
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, path) as key:
                found: object = winreg.QueryValueEx(key, name)[0]
                return found
        except FileNotFoundError:
            return None

    def _remove(path: str, name: str) -> None:
        with (
            contextlib.suppress(FileNotFoundError),
            winreg.OpenKey(winreg.HKEY_CURRENT_USER, path, 0, winreg.KEY_SET_VALUE) as key,
        ):
            winreg.DeleteValue(key, name)

    def is_enabled(entry: str = ENTRY) -> bool:
        """Whether it starts at sign-in: the entry is there and not switched off in Task Manager. Raises OSError."""
        switch = _value(_APPROVED, entry)
        return _value(_RUN, entry) is not None and is_approved(switch if isinstance(switch, bytes) else None)

    def enable(command: Sequence[str], entry: str = ENTRY) -> None:
        """Start `command` at sign-in, also when it was switched off before: the user asked for it. Raises OSError."""
        with winreg.CreateKeyEx(winreg.HKEY_CURRENT_USER, _RUN, 0, winreg.KEY_SET_VALUE) as key:
            winreg.SetValueEx(key, entry, 0, winreg.REG_SZ, run_line(command))
        _remove(_APPROVED, entry)

    def disable(entry: str = ENTRY) -> None:
        """Remove the entry and its switch; nothing there is no error. Raises OSError."""
        _remove(_RUN, entry)
        _remove(_APPROVED, entry)

else:

    def _file(entry: str) -> Path:
        given = os.environ.get("XDG_CONFIG_HOME")
        return Path(given or Path.home() / ".config") / "autostart" / f"{entry.lower()}.desktop"

    def is_enabled(entry: str = ENTRY) -> bool:
        """Whether it starts at sign-in: the file is there and the desktop's settings have not switched it off."""
        try:
            text = _file(entry).read_text("utf-8", "replace")
        except FileNotFoundError:
            return False
        lines = {line.replace(" ", "").lower() for line in text.splitlines()}
        return not lines.intersection(_DESKTOP_KEYS_OFF)

    def enable(command: Sequence[str], entry: str = ENTRY) -> None:
        """Start `command` at sign-in, also when it was switched off before: the user asked for it. Raises OSError."""
        file = _file(entry)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = f"[Desktop Entry]\nType=Application\nName={entry}\nExec={exec_line(command)}\nTerminal=false\n"
        write_atomically(file, text.encode())

    def disable(entry: str = ENTRY) -> None:
        """Remove the entry; nothing there is no error. Raises OSError."""
        _file(entry).unlink(missing_ok=True)


def run_line(command: Sequence[str]) -> str:
    """An argument list as a Windows command line with its program quoted always: else `C:\\Program` would start."""
    program, *arguments = command
    return " ".join([f'"{program}"', *([subprocess.list2cmdline(arguments)] if arguments else [])])
