"""The exact commands, by a runner that records them and answers as told."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.system.firewall import (
    NAMES,
    CommandFailed,
    addition,
    apply,
    private_network,
    removal,
    wanted_rules,
)

NETSH = r"C:\Windows\System32\netsh.exe"
PROGRAM = r"C:\Program Files\Caravan ü\Caravan.exe"
ENGINE = r"C:\Users\Jörg\AppData\Local\Caravan\engine\b11434\llama-server.exe"


class Recorder:
    """Keeps each command; `codes` answers by what the command does, 0 unless told."""

    def __init__(self, **codes: int) -> None:
        self.commands: list[tuple[str, ...]] = []
        self._codes = codes

    def __call__(self, command: Sequence[str]) -> int:
        self.commands.append(tuple(command))
        return self._codes.get(command[3], 0)


DELETE = (NETSH, "advfirewall", "firewall", "delete", "rule")
DELETED = [*((*DELETE, f"name={name}") for name in NAMES), (*DELETE, "name=all", "dir=in", f"program={PROGRAM}")]
HEAD = (NETSH, "advfirewall", "firewall", "add", "rule")
LOCAL = ("profile=private,domain", "remoteip=LocalSubnet", "enable=yes")
ALLOW = ("dir=in", "action=allow", f"program={PROGRAM}")
ADDED = [
    (*HEAD, "name=Caravan peers", *ALLOW, "protocol=TCP", "localport=52416,52417", *LOCAL),
    (*HEAD, "name=Caravan discovery", *ALLOW, "protocol=UDP", "localport=5353", *LOCAL),
    (
        *(*HEAD, "name=Caravan engine stays local", "dir=in", "action=block"),
        *(f"program={ENGINE}", "profile=any", "enable=yes"),
    ),
]


def test_rules_are_deleted_then_added() -> None:
    recorder = Recorder(delete=1)
    apply(wanted_rules([PROGRAM], [ENGINE]), [PROGRAM], recorder, NETSH)
    assert recorder.commands == [*DELETED, *ADDED]


def test_twice_is_the_same_as_once() -> None:
    once, twice = Recorder(), Recorder()
    apply(wanted_rules([PROGRAM], [ENGINE]), [PROGRAM], once, NETSH)
    for _ in range(2):
        apply(wanted_rules([PROGRAM], [ENGINE]), [PROGRAM], twice, NETSH)
    assert twice.commands == once.commands * 2


def test_removal_adds_nothing() -> None:
    recorder = Recorder(delete=1)
    apply((), [PROGRAM], recorder, NETSH)
    assert recorder.commands == DELETED
    assert list(removal(NETSH, [PROGRAM])) == DELETED


def test_a_refused_rule_is_named_and_ends_it() -> None:
    recorder = Recorder(add=1)
    with pytest.raises(CommandFailed, match=r"'Caravan peers' .* was refused \(code 1\)"):
        apply(wanted_rules([PROGRAM], [ENGINE]), [PROGRAM], recorder, NETSH)
    assert len(recorder.commands) == len(DELETED) + 1


def test_a_missing_netsh_is_named() -> None:
    def missing(command: Sequence[str]) -> int:
        raise FileNotFoundError("gone")

    with pytest.raises(CommandFailed, match=r"netsh\.exe cannot be started: gone"):
        apply((), [], missing, NETSH)


NO_PROGRAMS = ("", "Caravan.exe", r"\Caravan.exe", r"C:Caravan.exe", r"C:\a\..\Caravan.exe", r"C:\Caravan.bat")
NO_PATHS = ('C:\\a".exe', "C:\\a\n.exe", "C:\\a\0.exe", "/usr/bin/caravan")


@pytest.mark.parametrize("program", [*NO_PROGRAMS, *NO_PATHS])
def test_only_full_paths_of_programs(program: str) -> None:
    with pytest.raises(ValueError, match="not"):
        wanted_rules([program], [])
    with pytest.raises(ValueError, match="not"):
        wanted_rules([], [program])


def test_only_engines_are_blocked() -> None:
    with pytest.raises(ValueError, match="not an engine program"):
        wanted_rules([], [r"C:\Windows\System32\svchost.exe"])
    assert len(wanted_rules([], [r"C:\e\RPC-SERVER.EXE", r"C:\e\ggml-rpc-server.exe"])) == 2


@given(st.text())
def test_no_program_smuggles_another_argument(program: str) -> None:
    try:
        rules = wanted_rules([program], [])
    except ValueError:
        return
    assert all(f"program={program}" in addition(rule, NETSH) for rule in rules)


def test_a_network_is_made_private_by_its_number() -> None:
    command = private_network(12, "powershell.exe")
    assert command[-1] == "Set-NetConnectionProfile -InterfaceIndex 12 -NetworkCategory Private -ErrorAction Stop"
    assert command[0] == "powershell.exe"
