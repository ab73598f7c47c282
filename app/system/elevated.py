"""The role that runs with administrator rights: one fixed verb, done, exit code, end. It shows nothing.

It makes and removes our own firewall rules and makes one network Private; it takes no text from its caller but paths of
engine programs, which it only ever blocks, and the number of an adapter. Its own programs are the ones beside it. It
starts system programs by the path that the kernel gives, because variables are the user's to change.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path, PureWindowsPath

from app.system.firewall import (
    CommandFailed,
    FirewallRule,
    Runner,
    apply,
    private_network,
    wanted_rules,
)
from app.system.firewall_state import FirewallState, firewall_state, same_program
from app.system.network_profile import ConnectedNetwork, NetworkCategory, adapter_index, networks

OUR_PROGRAMS = ("Caravan.exe", "caravan-cli.exe")
"""The installed programs that other PCs may reach."""

COMMAND_SECONDS = 60.0
"""How long one command of the system may take."""


class Verb(StrEnum):
    """All that can be asked."""

    FIREWALL_ALLOW = "firewall-allow"
    FIREWALL_REMOVE = "firewall-remove"
    NETWORK_PRIVATE = "network-private"


class Answer(IntEnum):
    """How it ended, as exit code. Small numbers of other programs and crashes mean something else."""

    DONE = 0
    NOT_UNDERSTOOD = 40
    NOT_ELEVATED = 41
    NOT_INSTALLED = 42
    COMMAND_FAILED = 43
    NO_EFFECT = 44


@dataclass(frozen=True)
class Bench:
    """What the verbs work with. `ours` are our programs by full path, `system` is Windows' folder of its own."""

    ours: Sequence[str]
    system: PureWindowsPath
    is_elevated: bool
    run: Runner
    read_firewall: Callable[[Iterable[str]], FirewallState | None]
    read_networks: Callable[[], tuple[ConnectedNetwork, ...] | None]
    index_of: Callable[[uuid.UUID], int | None]

    @property
    def netsh(self) -> str:
        """The command that changes the firewall."""
        return str(self.system / "netsh.exe")

    @property
    def powershell(self) -> str:
        """The shell that changes a network's category."""
        return str(self.system / "WindowsPowerShell" / "v1.0" / "powershell.exe")


def our_programs(folder: Path) -> tuple[str, ...]:
    """The full paths of our programs that lie in `folder`."""
    return tuple(str(folder / name) for name in OUR_PROGRAMS if (folder / name).is_file())


def perform(argv: Sequence[str], bench: Bench) -> Answer:
    """`main` with everything it touches handed in."""
    verb, *arguments = argv or [""]
    try:
        work = _VERBS[Verb(verb)]
        return work(arguments, bench) if bench.is_elevated else Answer.NOT_ELEVATED
    except ValueError:
        return Answer.NOT_UNDERSTOOD
    except (CommandFailed, OSError):
        return Answer.COMMAND_FAILED


def _allow(engines: Sequence[str], bench: Bench) -> Answer:
    if not bench.ours:
        return Answer.NOT_INSTALLED
    rules = wanted_rules(bench.ours, engines)
    apply(rules, bench.ours, bench.run, bench.netsh)
    state = bench.read_firewall([rule.program for rule in rules])
    return Answer.DONE if state and all(_is_there(rule, state) for rule in rules) else Answer.NO_EFFECT


def _remove(arguments: Sequence[str], bench: Bench) -> Answer:
    if arguments:
        return Answer.NOT_UNDERSTOOD
    apply((), bench.ours, bench.run, bench.netsh)
    state = bench.read_firewall(bench.ours)
    return Answer.NO_EFFECT if state and state.rules else Answer.DONE


def _is_there(rule: FirewallRule, state: FirewallState) -> bool:
    wanted = (rule.name, rule.allows, True)
    return any(
        (each.name, each.allows, each.is_active) == wanted and same_program(each.program, rule.program)
        for each in state.rules
    )


def _make_private(arguments: Sequence[str], bench: Bench) -> Answer:
    if len(arguments) != 1:
        return Answer.NOT_UNDERSTOOD
    adapter = uuid.UUID(arguments[0])
    index = bench.index_of(adapter)
    if index is None:
        return Answer.NOT_UNDERSTOOD
    if bench.run(private_network(index, bench.powershell)):
        return Answer.COMMAND_FAILED
    categories = {each.category for each in bench.read_networks() or () if each.adapter == adapter}
    return Answer.DONE if categories and NetworkCategory.PUBLIC not in categories else Answer.NO_EFFECT


_VERBS: dict[Verb, Callable[[Sequence[str], Bench], Answer]] = {
    Verb.FIREWALL_ALLOW: _allow,
    Verb.FIREWALL_REMOVE: _remove,
    Verb.NETWORK_PRIVATE: _make_private,
}


if sys.platform == "win32":
    import ctypes
    import subprocess
    from ctypes import wintypes

    def main(argv: Sequence[str]) -> int:
        """Do what `VERB [ARGUMENTS]` says; returns an `Answer`.

        `firewall-allow [ENGINE ...]` takes full paths of engine programs, `network-private` the GUID of an adapter.
        """
        # From a checkout "our program" is Python itself, which must not be let through.
        if not getattr(sys, "frozen", False):
            return int(Answer.NOT_INSTALLED)
        ours = our_programs(Path(sys.executable).parent)
        return int(perform(argv, Bench(ours, *_windows(), _run, firewall_state, networks, adapter_index)))

    def _windows() -> tuple[PureWindowsPath, bool]:
        """The folder of Windows' own programs, and whether we have an administrator's rights."""
        folder = ctypes.WinDLL("kernel32", use_last_error=True).GetSystemDirectoryW
        folder.argtypes, folder.restype = (wintypes.LPWSTR, wintypes.UINT), wintypes.UINT
        text = ctypes.create_unicode_buffer(wintypes.MAX_PATH)
        if not folder(text, wintypes.MAX_PATH):
            raise ctypes.WinError(ctypes.get_last_error())
        is_admin = ctypes.WinDLL("shell32").IsUserAnAdmin
        is_admin.argtypes, is_admin.restype = (), wintypes.BOOL
        return PureWindowsPath(text.value), bool(is_admin())

    def _run(command: Sequence[str]) -> int:
        """Run to the end without a window; nothing of the user's environment but the folder for temporary files."""
        root = _windows()[0].parent
        known = {"SYSTEMROOT": str(root), "WINDIR": str(root), "SYSTEMDRIVE": root.drive}
        kept = {name: os.environ[name] for name in ("TEMP", "TMP") if name in os.environ}
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_SECONDS,
                env={**kept, **known},
                cwd=root,
                creationflags=subprocess.CREATE_NO_WINDOW,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"{command[0]} did not end") from error
        return done.returncode

else:

    def main(argv: Sequence[str]) -> int:
        """Not here: what the verbs change exists on Windows only."""
        return int(Answer.NOT_INSTALLED)
