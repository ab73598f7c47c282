"""Hosts for the tests: without root, or not on Linux, every test that wants them says why it is skipped."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster.bed import Bed, open_bed, why_not


@pytest.fixture
def namespaces() -> None:
    """Skip the test, with the reason, where there can be no bed."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest_asyncio.fixture
async def lan(namespaces: None) -> AsyncIterator[Bed]:
    """Three hosts `a`, `b`, `c` on one LAN; at its end no program may run in them any more."""
    async with open_bed("a", "b", "c") as bed:
        yield bed
