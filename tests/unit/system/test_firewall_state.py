"""Rules as the registry holds them, and what they let in."""

import secrets
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.system.firewall_state import FirewallState, ProfileState, Rule, firewall_state, lets_in, parse_rule
from app.system.network_profile import NetworkCategory

PROGRAM = r"C:\Program Files\Caravan\Caravan.exe"
ALLOW = (
    "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|Profile=Private|LPort=52416|LPort=52417"
    r"|RA4=LocalSubnet|RA6=LocalSubnet|App=%ProgramFiles%\Caravan\Caravan.exe|Name=Caravan peers|"
)
BLOCK = (
    rf"v2.30|Action=Block|Active=TRUE|Dir=In|Protocol=6|Profile=Public|Profile=Private|App={PROGRAM.lower()}|Name=C|"
)
ENVIRONMENT = {"ProgramFiles": r"C:\Program Files"}
TCP, UDP = 6, 17
PRIVATE, PUBLIC, DOMAIN = NetworkCategory.PRIVATE, NetworkCategory.PUBLIC, NetworkCategory.DOMAIN


def rule(text: str) -> Rule:
    found = parse_rule(text, ENVIRONMENT)
    assert found is not None
    return found


def state(*rules: str, is_on: bool | None = True, blocks_all: bool = False) -> FirewallState:
    profile = ProfileState(is_on, blocks_all)
    return FirewallState(dict.fromkeys(NetworkCategory, profile), tuple(rule(text) for text in rules))


def test_an_allow_rule_is_read_whole() -> None:
    ports = ("52416", "52417")
    assert rule(ALLOW) == Rule("Caravan peers", PROGRAM, True, True, TCP, ports, frozenset({PRIVATE, DOMAIN}))


def test_a_rule_without_profile_and_protocol_means_any() -> None:
    found = rule(r"v2.10|Action=Block|Active=TRUE|Dir=In|App=C:\x.exe|Name=x|")
    assert (found.protocol, found.ports, found.categories) == (None, (), frozenset(NetworkCategory))


@pytest.mark.parametrize(
    "text",
    ["", "v2.31|", ALLOW.replace("Dir=In", "Dir=Out"), ALLOW.replace("App=", "Svc="), ALLOW.replace("Allow", "ByPass")],
)
def test_what_does_not_concern_a_program_of_ours(text: str) -> None:
    assert parse_rule(text, {}) is None


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_rule(text, {})
    parse_rule("Action=Allow|Dir=In|App=x|" + text, {})


@pytest.mark.parametrize(
    ("seen", "port", "protocol", "category", "answer"),
    [
        (state(ALLOW), 52416, TCP, PRIVATE, True),
        (state(ALLOW), 52417, TCP, DOMAIN, True),
        (state(ALLOW), 52418, TCP, PRIVATE, False),
        (state(ALLOW), 52416, UDP, PRIVATE, False),
        (state(ALLOW), 52416, TCP, PUBLIC, False),
        (state(ALLOW, BLOCK), 52416, TCP, PRIVATE, False),
        (state(ALLOW, BLOCK), 52416, TCP, DOMAIN, True),
        (state(ALLOW, BLOCK.replace("Active=TRUE", "Active=FALSE")), 52416, TCP, PRIVATE, True),
        (state(ALLOW.replace("LPort=52416", "LPort2_10=52000-53000")), 52999, TCP, PRIVATE, True),
        (state(ALLOW.replace("LPort=52416", "LPort=RPC")), 52416, TCP, PRIVATE, False),
        (state(ALLOW, blocks_all=True), 52416, TCP, PRIVATE, False),
        (state(), 52416, TCP, PRIVATE, False),
        (state(is_on=False), 52416, TCP, PUBLIC, True),
        (state(ALLOW, is_on=None), 52416, TCP, PRIVATE, None),
    ],
)
def test_who_is_let_in(
    seen: FirewallState, port: int, protocol: int, category: NetworkCategory, answer: bool | None
) -> None:
    assert lets_in(seen, PROGRAM, port, protocol, category) is answer


@pytest.mark.skipif(sys.platform == "win32", reason="the answer of other systems")
def test_elsewhere_it_is_unknown() -> None:
    assert firewall_state([PROGRAM]) is None


@pytest.mark.skipif(sys.platform != "win32", reason="the registry is Windows")
def test_the_registry_is_read() -> None:
    import winreg

    path = rf"Software\Caravan-test-{secrets.token_hex(4)}"
    user = winreg.HKEY_CURRENT_USER
    assert firewall_state([PROGRAM], path, user) is None
    try:
        with winreg.CreateKey(user, rf"{path}\StandardProfile") as key:
            winreg.SetValueEx(key, "EnableFirewall", 0, winreg.REG_DWORD, 1)
        with winreg.CreateKey(user, rf"{path}\FirewallRules") as key:
            for name, text in (("{1}", ALLOW.replace("%ProgramFiles%", r"C:\Program Files")), ("{2}", "nonsense")):
                winreg.SetValueEx(key, name, 0, winreg.REG_SZ, text)
            winreg.SetValueEx(key, "{3}", 0, winreg.REG_DWORD, 7)
        found = firewall_state([PROGRAM.upper()], path, user)
        assert found is not None
        assert found.profiles[PRIVATE] == ProfileState(is_on=True, blocks_all=False)
        assert found.profiles[PUBLIC].is_on is None
        assert [each.name for each in found.rules] == ["Caravan peers"]
        assert firewall_state([r"C:\other.exe"], path, user) == FirewallState(found.profiles, ())
    finally:
        for below in ("StandardProfile", "FirewallRules"):
            winreg.DeleteKey(user, rf"{path}\{below}")
        winreg.DeleteKey(user, path)
