"""What is said of networks and firewalls, what never is, and what a fix answers."""

import asyncio
import uuid
from collections.abc import Iterable

import pytest

from app.node.health import (
    FIREWALL_BLOCKS,
    NETWORK_PUBLIC,
    Health,
    HealthTools,
    Seen,
    engine_programs,
    judge,
    listening_program,
    of_adapters,
    tools_here,
)
from app.schema.errors import InputError, NodeError, NotAllowed
from app.schema.node import HealthWarning
from app.system.elevate import Elevation, Ending
from app.system.elevated import Verb
from app.system.firewall_state import FirewallState, ProfileState, Rule
from app.system.network_profile import ConnectedNetwork, NetworkCategory

PROGRAM = r"C:\Program Files\Caravan\Caravan.exe"
PORT = 52416
ADAPTER = uuid.UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")
TRUSTED = frozenset({NetworkCategory.PRIVATE, NetworkCategory.DOMAIN})


def network(category: NetworkCategory, name: str = "Home") -> ConnectedNetwork:
    return ConnectedNetwork(name, category, ADAPTER)


def firewall(*rules: Rule, is_on: bool | None = True, blocks_all: bool = False) -> FirewallState:
    profile = ProfileState(is_on, blocks_all)
    return FirewallState(dict.fromkeys(NetworkCategory, profile), rules)


def rule(allows: bool = True, categories: frozenset[NetworkCategory] = TRUSTED) -> Rule:
    return Rule("Caravan peers", PROGRAM, True, allows, 6, ("52416", "52417"), categories)


def codes(seen: Seen) -> list[str]:
    return [each.code for each in judge(seen, PROGRAM, PORT)]


PRIVATE = (network(NetworkCategory.PRIVATE),)
PUBLIC = (network(NetworkCategory.PUBLIC),)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Seen(None, None), []),
        (Seen(PRIVATE, None), []),
        (Seen(PRIVATE, firewall(rule())), []),
        (Seen(PRIVATE, firewall(is_on=False)), []),
        (Seen(PRIVATE, firewall(is_on=None)), []),
        (Seen(PRIVATE, firewall()), [FIREWALL_BLOCKS]),
        (Seen(PRIVATE, firewall(rule(), rule(allows=False))), [FIREWALL_BLOCKS]),
        (Seen(None, firewall()), [FIREWALL_BLOCKS]),
        (Seen(PUBLIC, None), [NETWORK_PUBLIC]),
        (Seen(PUBLIC, firewall(rule())), [NETWORK_PUBLIC]),
        (Seen(PUBLIC, firewall()), [NETWORK_PUBLIC, FIREWALL_BLOCKS]),
        (Seen(PUBLIC, firewall(rule(categories=frozenset(NetworkCategory)))), []),
        (Seen(PUBLIC, firewall(is_on=False)), []),
    ],
)
def test_what_is_told(seen: Seen, told: list[str]) -> None:
    assert codes(seen) == told


def test_the_sentence_names_the_network_and_the_hint_says_what_to_click() -> None:
    public = (network(NetworkCategory.PUBLIC), network(NetworkCategory.PUBLIC, ""))
    warning = judge(Seen(public, None), PROGRAM, PORT)[0]
    assert warning.sentence == 'This PC\'s network "Home" is set to Public, so Windows blocks other PCs.'
    assert "Private network" in warning.hint
    nameless = judge(Seen(public[1:], None), PROGRAM, PORT)[0]
    assert nameless.sentence == "This PC's network is set to Public, so Windows blocks other PCs."


def test_a_firewall_that_blocks_everything_is_not_cured_by_a_rule() -> None:
    warning = judge(Seen(PRIVATE, firewall(rule(), blocks_all=True)), PROGRAM, PORT)[0]
    assert "Blocks all incoming connections" in warning.hint
    assert "Fix" not in warning.hint


def test_a_vpn_or_a_virtual_switch_in_a_public_network_does_no_harm() -> None:
    names = {uuid.UUID(int=1): "Ethernet", uuid.UUID(int=2): "vEthernet (WSL)"}
    found = tuple(ConnectedNetwork(str(each.int), NetworkCategory.PUBLIC, each) for each in (*names, ADAPTER))
    kept = of_adapters(found, {"Ethernet"}, names.get)
    assert [each.adapter for each in kept] == [uuid.UUID(int=1), ADAPTER]


def test_only_the_engines_programs_are_handed_to_the_helper() -> None:
    server, worker = r"C:\Engine ü\llama-server.exe", r"C:\Engine ü\ggml-rpc-server.exe"
    assert engine_programs((server, worker, r"C:\mine\my-server.exe")) == (server, worker)


class Windows:
    """A Windows that does what it is asked, or not, and the warnings that came of it."""

    def __init__(self, seen: Seen, ending: Ending = Ending.DONE, obeys: bool = True) -> None:
        self.seen = seen
        self.ending = ending
        self.obeys = obeys
        self.asked: list[tuple[str, ...]] = []
        self.warned: list[tuple[HealthWarning, ...]] = []

    async def elevate(self, verb: Verb, *arguments: str) -> Elevation:
        self.asked.append((verb, *arguments))
        if self.ending is not Ending.DONE:
            return Elevation(self.ending, "you did not allow it")
        if self.obeys and verb is Verb.NETWORK_PRIVATE:
            self.seen = Seen(PRIVATE, self.seen.firewall)
        elif self.obeys:
            self.seen = Seen(self.seen.networks, firewall(rule()))
        return Elevation(Ending.DONE)

    def health(self, is_watched: bool = True) -> Health:
        def read_firewall(programs: Iterable[str]) -> FirewallState | None:
            assert list(programs) == [PROGRAM]
            return self.seen.firewall

        engines = (r"C:\engine\llama-server.exe",)
        tools = HealthTools(
            lambda: self.seen.networks,
            read_firewall,
            self.elevate,
            PROGRAM,
            lambda: PORT,
            lambda: engines,
            is_watched,
        )
        return Health(tools, self.warned.append)


async def test_a_public_network_becomes_private_and_the_warning_goes() -> None:
    windows = Windows(Seen(PUBLIC, firewall(rule())))
    said = await windows.health().fix(NETWORK_PUBLIC)
    assert said == 'This PC\'s network "Home" is set to Private now.'
    assert windows.asked == [(Verb.NETWORK_PRIVATE, str(ADAPTER))]
    assert windows.warned == [()]


async def test_the_firewall_gets_our_rules_and_blocks_the_engines() -> None:
    windows = Windows(Seen(PRIVATE, firewall()))
    assert "lets the PCs of your network reach Caravan" in await windows.health().fix(FIREWALL_BLOCKS)
    assert windows.asked == [(Verb.FIREWALL_ALLOW, r"C:\engine\llama-server.exe")]
    assert windows.warned == [()]


async def test_a_network_that_is_private_already_is_left_alone() -> None:
    windows = Windows(Seen(PRIVATE, firewall(rule())))
    assert "None of this PC's networks" in await windows.health().fix(NETWORK_PUBLIC)
    assert windows.asked == []


async def test_a_refused_prompt_is_a_plain_error() -> None:
    windows = Windows(Seen(PUBLIC, firewall()), Ending.REFUSED)
    with pytest.raises(NotAllowed, match=r"Nothing was changed: you did not allow it\.") as told:
        await windows.health().fix(NETWORK_PUBLIC)
    assert "answer Yes" in told.value.hint


async def test_a_helper_that_fails_is_a_plain_error_with_the_way_by_hand() -> None:
    windows = Windows(Seen(PRIVATE, firewall()), Ending.FAILED)
    with pytest.raises(NodeError, match="Nothing was changed") as told:
        await windows.health().fix(FIREWALL_BLOCKS)
    assert "Allow an app through firewall" in told.value.hint


async def test_a_success_that_changes_nothing_is_not_believed() -> None:
    windows = Windows(Seen(PUBLIC, firewall(rule())), obeys=False)
    with pytest.raises(NodeError, match=r"That did not help\. This PC's network"):
        await windows.health().fix(NETWORK_PUBLIC)
    assert [each.code for each in windows.warned[-1]] == [NETWORK_PUBLIC]


async def test_networks_that_windows_does_not_tell_are_not_changed() -> None:
    windows = Windows(Seen(None, None))
    with pytest.raises(NodeError, match="does not say"):
        await windows.health().fix(NETWORK_PUBLIC)
    assert windows.asked == []


async def test_there_is_nothing_to_fix_elsewhere_and_nothing_else_to_fix() -> None:
    windows = Windows(Seen(PUBLIC, firewall()))
    with pytest.raises(NotAllowed, match="on Windows only"):
        await windows.health(is_watched=False).fix(NETWORK_PUBLIC)
    with pytest.raises(InputError, match="no fix for 'hardware'"):
        await windows.health().fix("hardware")
    assert windows.asked == []


async def test_it_looks_again_and_again_where_there_is_something_to_see() -> None:
    windows = Windows(Seen(PUBLIC, None))
    task = asyncio.create_task(windows.health().run(period=0.001))
    async with asyncio.timeout(30):
        while not windows.warned:
            await asyncio.sleep(0.001)
        windows.seen = Seen(PRIVATE, None)
        while windows.warned[-1]:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    elsewhere = Windows(Seen(PUBLIC, None))
    await elsewhere.health(is_watched=False).run()
    assert elsewhere.warned == []


def test_nodes_on_one_pc_watch_nothing() -> None:
    assert not tools_here(lambda: PORT, lambda: (), on_the_lan=False).is_watched
    assert listening_program()
