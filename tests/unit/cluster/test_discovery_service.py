"""The discovery service where there is no network; with one, see tests/cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Interface

import pytest

from app.cluster.discovery import Discovery, Pace
from app.schema.node import HealthWarning
from app.schema.record import NodeId

NODE = NodeId("a" * 64)
Look = Callable[[], tuple[IPv4Interface, ...]]


def no_adapters() -> tuple[IPv4Interface, ...]:
    return ()


def unreadable_adapters() -> tuple[IPv4Interface, ...]:
    raise PermissionError(13, "not for you")


@asynccontextmanager
async def running(look: Look) -> AsyncIterator[tuple[Discovery, "asyncio.Queue[tuple[HealthWarning, ...]]"]]:
    warnings: asyncio.Queue[tuple[HealthWarning, ...]] = asyncio.Queue()
    discovery = Discovery(
        NODE, 52416, lambda _: None, warnings.put_nowait, look=look, pace=Pace(announce=0.2, rescan=0.05)
    )
    task = asyncio.create_task(discovery.run())
    try:
        yield discovery, warnings
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=30)
        assert task.cancelled()


@pytest.mark.parametrize("look", [no_adapters, unreadable_adapters])
async def test_without_an_adapter_it_says_so_and_waits(look: Look) -> None:
    async with running(look) as (discovery, warnings), asyncio.timeout(30):
        (warning,) = await warnings.get()
        assert warning.code == "discovery_no_network"
        discovery.set_pairing(52417)
        discovery.set_known({NodeId("b" * 64): "Anna's PC"})
        assert discovery.addresses == ()


async def test_an_address_that_is_gone_again_is_no_crash() -> None:
    async with running(lambda: (IPv4Interface("198.51.100.77/24"),)) as (discovery, warnings), asyncio.timeout(30):
        (warning,) = await warnings.get()
        assert warning.code in {"discovery_blocked", "discovery_failed"}
        assert discovery.addresses == ("198.51.100.77",)


def test_an_instance_is_random() -> None:
    one, other = (Discovery(NODE, 52416, lambda _: None, lambda _: None).instance for _ in range(2))
    assert one != other
    assert len(one) == 16
