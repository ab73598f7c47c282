"""PURE: the rules Caravan wants in the Windows firewall, and the commands that make exactly these and remove them.

`netsh` parses the same on every edition and language; what it prints is translated, so nothing of it is read, and the
exit code of a deletion says only whether there was something to delete. Rules are deleted by name before they are
added: a second time changes nothing. The installer's script makes the same rules.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath

from app.schema.settings import PAIR_PORT, PEER_PORT

PEERS = "Caravan peers"
DISCOVERY = "Caravan discovery"
ENGINE = "Caravan engine stays local"
NAMES = (PEERS, DISCOVERY, ENGINE)
"""Every rule has one of these names, so that an uninstaller finds them all."""

MDNS_PORT = 5353

ENGINE_PROGRAMS = ("llama-server.exe", "rpc-server.exe", "ggml-rpc-server.exe")
"""Programs that listen on this PC only, whatever they are told: they know no password."""

Runner = Callable[[Sequence[str]], int]
"""Runs an argument list to its end and returns the exit code. Raises OSError when it cannot be started."""


@dataclass(frozen=True)
class FirewallRule:
    """An inbound rule for one program. A rule without ports blocks all of them, from everywhere."""

    name: str
    program: str
    protocol: str | None = None
    ports: tuple[int, ...] = ()

    @property
    def allows(self) -> bool:
        """Whether it lets others in."""
        return self.protocol is not None


class CommandFailed(Exception):
    """A command that must work ended with an exit code other than 0, or could not be started."""


def wanted_rules(programs: Iterable[str], engines: Iterable[str]) -> tuple[FirewallRule, ...]:
    """The rules for our own `programs` and for `engines`, all by full path. Raises ValueError for anything else."""
    allowed = [rule for program in programs for rule in _allowing(_checked(program))]
    return (*allowed, *(FirewallRule(ENGINE, _checked_engine(engine)) for engine in engines))


def _allowing(program: str) -> tuple[FirewallRule, ...]:
    return (
        FirewallRule(PEERS, program, "TCP", (PEER_PORT, PAIR_PORT)),
        FirewallRule(DISCOVERY, program, "UDP", (MDNS_PORT,)),
    )


def _checked(program: str) -> str:
    path = PureWindowsPath(program)
    if not path.drive or not path.root or path.suffix.lower() != ".exe" or ".." in path.parts:
        raise ValueError(f"not the full path of a program: {program}")
    if any(char in program for char in '"*?<>|\0\r\n'):
        raise ValueError(f"not a path: {program!r}")
    return program


def _checked_engine(program: str) -> str:
    if PureWindowsPath(_checked(program)).name.lower() not in ENGINE_PROGRAMS:
        raise ValueError(f"not an engine program: {program}")
    return program


def removal(netsh: str, programs: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The commands that remove every rule of ours, and every inbound rule for our own `programs`.

    Windows itself blocks a program whose prompt was cancelled, and a block rule outweighs ours. Each command fails when
    there is nothing to delete, which is no error.
    """
    delete = (netsh, "advfirewall", "firewall", "delete", "rule")
    by_program = ((*delete, "name=all", "dir=in", f"program={_checked(program)}") for program in programs)
    return (*((*delete, f"name={name}") for name in NAMES), *by_program)


def addition(rule: FirewallRule, netsh: str) -> tuple[str, ...]:
    """The command that adds one rule."""
    common = (netsh, "advfirewall", "firewall", "add", "rule", f"name={rule.name}", "dir=in")
    program = f"program={rule.program}"
    if not rule.allows:
        return (*common, "action=block", program, "profile=any", "enable=yes")
    ports = ",".join(str(port) for port in rule.ports)
    reach = (f"protocol={rule.protocol}", f"localport={ports}", "profile=private,domain", "remoteip=LocalSubnet")
    return (*common, "action=allow", program, *reach, "enable=yes")


def apply(rules: Iterable[FirewallRule], programs: Iterable[str], run: Runner, netsh: str) -> None:
    """Make exactly these rules ours: delete all of ours and of `programs`, then add each; no rules means remove.

    Raises CommandFailed at the first rule that cannot be added. That a command succeeds does not prove the rule: read
    it back (`app.system.firewall_state`).
    """
    for command in removal(netsh, programs):
        _run(command, run)
    for rule in rules:
        code = _run(addition(rule, netsh), run)
        if code:
            raise CommandFailed(f"the rule {rule.name!r} for {rule.program} was refused (code {code})")


def _run(command: Sequence[str], run: Runner) -> int:
    try:
        return run(command)
    except OSError as error:
        raise CommandFailed(f"{command[0]} cannot be started: {error}") from error


def private_network(adapter_index: int, powershell: str) -> tuple[str, ...]:
    """The command that makes the network of one adapter Private (Microsoft, "Set-NetConnectionProfile")."""
    script = f"Set-NetConnectionProfile -InterfaceIndex {adapter_index:d} -NetworkCategory Private -ErrorAction Stop"
    return (powershell, "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command", script)
