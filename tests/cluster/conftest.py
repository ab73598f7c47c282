"""Hosts for the tests: without root, or not on Linux, every test that wants them says why it is skipped.

`lan` is three bare hosts, new for each test. `pcs` are PCs that trust each other and live as long as their module: it
names its `HOSTS` and those of them that are `PCS`, runs in the module's loop, and each of its tests leaves them well.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.schema.instance import InstanceState
from tests.cluster.bed import Bed, open_bed, why_not
from tests.cluster.pcs import Pc, as_cluster, lan_of, until_all_know_all


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """The hosts of a module; at its end no program may run in them any more."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    async with open_bed(*request.module.HOSTS, tag="module") as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settled(
    request: pytest.FixtureRequest, bed: Bed, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Pc, ...]]:
    """The PCs of a module, one cluster."""
    folder: Path = tmp_path_factory.mktemp("lan")
    async with lan_of(bed, folder, *request.module.PCS) as found:
        await as_cluster(found)
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def pcs(bed: Bed, settled: tuple[Pc, ...]) -> AsyncIterator[tuple[Pc, ...]]:
    """The PCs of a module, well and without a running model; looked at after each test."""
    await bed.heal()
    await make_well(settled)
    yield settled
    for pc in settled:
        await pc.check()


async def make_well(pcs: tuple[Pc, ...]) -> None:
    """Stop what runs, and wait until all see all again."""
    for pc in pcs:
        for each in pc.status.instances if pc.status is not None else ():
            if each.state not in (InstanceState.STOPPED, InstanceState.FAILED):
                await pc.call("stop", instance=each.id)
    await until_all_know_all(pcs)
