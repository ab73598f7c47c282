"""What the Windows firewall does with us, read without elevation and without translated text: from the registry.

The format of a rule is Microsoft's "[MS-GPFAS] 2.2.2 Firewall Rule Messages": `v2.31|Action=Allow|Dir=In|...|`. What
cannot be read is None. Rules that a domain pushes lie elsewhere and may outweigh these; only a peer that connects
proves that it can. Elsewhere than on Windows everything is unknown.
"""

import ntpath
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.system.network_profile import NetworkCategory

POLICY = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"

_PROFILES = {
    NetworkCategory.DOMAIN: "DomainProfile",
    NetworkCategory.PRIVATE: "StandardProfile",
    NetworkCategory.PUBLIC: "PublicProfile",
}
_CATEGORIES = {"domain": NetworkCategory.DOMAIN, "private": NetworkCategory.PRIVATE, "public": NetworkCategory.PUBLIC}


@dataclass(frozen=True)
class Rule:
    """One inbound rule that names a program. `protocol` is the IP protocol's number; None and empty mean any."""

    name: str
    program: str
    is_active: bool
    allows: bool
    protocol: int | None
    ports: tuple[str, ...]
    categories: frozenset[NetworkCategory]


@dataclass(frozen=True)
class ProfileState:
    """The firewall in networks of one category. `blocks_all` is "block all incoming, also allowed programs"."""

    is_on: bool | None
    blocks_all: bool | None


@dataclass(frozen=True)
class FirewallState:
    """The firewall as it is configured on this PC; `rules` are the inbound ones for the programs asked about."""

    profiles: Mapping[NetworkCategory, ProfileState]
    rules: tuple[Rule, ...]


def parse_rule(text: str, environment: Mapping[str, str]) -> Rule | None:
    """PURE: a rule's text -> the rule, None for an outbound one, one without a program, or what is no rule.

    `environment` fills in the variables that Windows keeps in a program's path.
    """
    parts = [part.partition("=") for part in text.split("|")]
    first = {key: value for key, _, value in reversed(parts)}
    program = first.get("App")
    if first.get("Dir") != "In" or not program or first.get("Action") not in ("Allow", "Block"):
        return None
    number = first.get("Protocol", "")
    named = {_CATEGORIES[value.lower()] for key, _, value in parts if key == "Profile" and value.lower() in _CATEGORIES}
    return Rule(
        name=first.get("Name", ""),
        program=_expanded(program, environment),
        is_active=first.get("Active") == "TRUE",
        allows=first["Action"] == "Allow",
        protocol=int(number) if number.isdecimal() else None,
        ports=tuple(value for key, _, value in parts if key in ("LPort", "LPort2_10")),
        categories=frozenset(named or NetworkCategory),
    )


def _expanded(path: str, environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        head, sign, tail = path.partition(f"%{name}%")
        path = head + value + tail if sign else path
    return path


def same_program(one: str, other: str) -> bool:
    """Whether two Windows paths name the same file, as far as their text tells."""
    return ntpath.normcase(ntpath.normpath(one)) == ntpath.normcase(ntpath.normpath(other))


def lets_in(state: FirewallState, program: str, port: int, protocol: int, category: NetworkCategory) -> bool | None:
    """PURE: whether others may reach `program` on `port` from a network of `category`; None when that is unknown.

    `protocol` is 6 for TCP, 17 for UDP. A block rule outweighs every allow rule.
    """
    profile = state.profiles.get(category, ProfileState(None, None))
    if profile.is_on is None:
        return None
    if not profile.is_on:
        return True
    rules = [rule for rule in state.rules if _applies(rule, program, port, protocol, category)]
    return not profile.blocks_all and bool(rules) and all(rule.allows for rule in rules)


def _applies(rule: Rule, program: str, port: int, protocol: int, category: NetworkCategory) -> bool:
    return (
        rule.is_active
        and category in rule.categories
        and rule.protocol in (None, protocol)
        and same_program(rule.program, program)
        and (not rule.ports or any(_covers(each, port) for each in rule.ports))
    )


def _covers(ports: str, port: int) -> bool:
    first, _, last = ports.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        return False
    return int(first) <= port <= int(last or first)


if sys.platform == "win32":
    import contextlib
    import winreg
    from collections.abc import Iterator

    def firewall_state(
        programs: Iterable[str], policy: str = POLICY, root: int = winreg.HKEY_LOCAL_MACHINE
    ) -> FirewallState | None:
        """The firewall's state with the rules for `programs`; None when Windows does not let us read it. Blocking."""
        wanted = tuple(programs)
        try:
            texts = tuple(_texts(root, rf"{policy}\FirewallRules"))
        except OSError:
            return None
        rules = (parse_rule(text, os.environ) for text in texts)
        ours = tuple(rule for rule in rules if rule and any(same_program(rule.program, each) for each in wanted))
        return FirewallState({each: _profile(root, rf"{policy}\{key}") for each, key in _PROFILES.items()}, ours)

    def _texts(root: int, path: str) -> Iterator[str]:
        with winreg.OpenKey(root, path) as key:
            for index in range(winreg.QueryInfoKey(key)[1]):
                # One that another program removes meanwhile shifts the last away.
                with contextlib.suppress(OSError):
                    value = winreg.EnumValue(key, index)[1]
                    if isinstance(value, str):
                        yield value

    def _profile(root: int, path: str) -> ProfileState:
        return ProfileState(_switch(root, path, "EnableFirewall"), _switch(root, path, "DoNotAllowExceptions") or False)

    def _switch(root: int, path: str, name: str) -> bool | None:
        try:
            with winreg.OpenKey(root, path) as key:
                value = winreg.QueryValueEx(key, name)[0]
        except OSError:
            return None
        return bool(value) if isinstance(value, int) else None

else:

    def firewall_state(programs: Iterable[str]) -> FirewallState | None:
        """Unknown: there are too many firewalls here to ask."""
        return None
