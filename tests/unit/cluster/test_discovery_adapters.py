"""Which adapters discovery speaks on."""

from ipaddress import IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cluster.adapters import MOST_ADDRESSES, Adapter, choose, read_adapters, usable_addresses


def adapter(name: str, *addresses: str, up: bool = True, multicast: bool | None = True, mac: str = "") -> Adapter:
    return Adapter(name, tuple(IPv4Interface(each) for each in addresses), up, multicast, mac or None)


def chosen(*adapters: Adapter) -> list[str]:
    return [str(each.ip) for each in choose(adapters)]


def test_virtual_adapters_come_last_whatever_their_place() -> None:
    found = chosen(
        adapter("vEthernet (WSL)", "172.20.0.1/20"),
        adapter("docker0", "172.17.0.1/16"),
        adapter("Wi-Fi", "192.168.1.7/24", multicast=None),
        adapter("Ethernet", "192.168.1.6/24", multicast=None),
        adapter("Tailscale", "100.70.0.1/32"),
    )
    assert found == ["192.168.1.6", "192.168.1.7", "100.70.0.1", "172.17.0.1", "172.20.0.1"]


@pytest.mark.parametrize(
    "left_out",
    [
        adapter("lo", "127.0.0.1/8"),
        adapter("eth1", "169.254.10.1/16"),
        adapter("eth1", "10.1.1.1/24", up=False),
        adapter("wg0", "10.2.2.2/24", multicast=False),
        adapter("eth1", "0.0.0.0/0"),
        adapter("eth1", "224.0.0.5/32"),
        adapter("eth1"),
    ],
)
def test_adapters_that_lead_to_no_lan_are_left_out(left_out: Adapter) -> None:
    assert chosen(left_out, adapter("eth0", "10.0.0.1/24")) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("name", "mac", "virtual"),
    [
        ("Ethernet 3", "0A-00-27-00-00-11", True),
        ("Ethernet 4", "00:50:56:c0:00:08", True),
        ("Ethernet", "00:50:56:11:22:33", False),
        ("VirtualBox Host-Only Network", "", True),
        ("Local Area Connection (TAP-Windows)", "", True),
        ("tap0", "", True),
        ("br-5f1e", "", True),
        ("broadband", "", False),
        ("eth0", "02:fc:00:00:00:01", False),
        ("enp3s0", "", False),
        ("wlan0", "", False),
    ],
)
def test_what_counts_as_virtual(name: str, mac: str, virtual: bool) -> None:
    assert adapter(name, mac=mac).is_virtual is virtual


names = st.sampled_from(["eth0", "eth1", "wlan0", "docker0", "tun0", "vEthernet (Default)"])
addresses = st.integers(0x0A000001, 0x0A0000FF).map(lambda each: IPv4Interface((each, 24)))
adapters = st.builds(Adapter, names, st.lists(addresses, max_size=3).map(tuple), st.booleans(), st.none())


@given(st.lists(adapters, max_size=8, unique_by=lambda each: each.name), st.randoms())
def test_the_order_does_not_depend_on_the_system(found: list[Adapter], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(found) == choose(shuffled)
    assert len({each.ip for each in choose(found)}) == len(choose(found)) <= MOST_ADDRESSES


def test_this_pc_can_be_read() -> None:
    assert all(not each.is_loopback for each in usable_addresses())
    assert all(each.name for each in read_adapters())
