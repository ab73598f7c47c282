"""A plan that counts too little: the engine says so before anything is loaded, and the launch goes on with another."""

import asyncio

import pytest

from app.cli.demo import MODEL
from app.cli.running import follow_launch
from app.client import NodeClient
from app.schema.instance import InstanceState, LaunchRequest, PhaseName
from app.schema.plan import Plan, PlanRequest
from tests.contract.conftest import planned, stopped

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20


def counting_too_little(plan: Plan) -> Plan:
    """The plan as if its one device needed half of what it needs, and had no more than that free."""
    (stage,) = plan.stages
    half = (stage.total_bytes + plan.head_ram_bytes) // 2
    changes = {"weight_bytes": half, "kv_bytes": 0, "compute_bytes": 0, "free_bytes": half}
    return plan.model_copy(update={"stages": (stage.model_copy(update=changes),), "head_ram_bytes": 0})


async def test_a_launch_that_the_engine_finds_too_large_goes_on_with_another_plan(head: NodeClient) -> None:
    first = counting_too_little(await planned(head, 1))
    instance = await head.launch(LaunchRequest(plan=first, wishes=PlanRequest(model_id=MODEL)))
    async with asyncio.timeout(60):
        status = await follow_launch(head, instance, lambda _: None)
    try:
        assert status.state is InstanceState.READY, status.error
        assert status.plan.head == first.head
        assert all(stage.node != first.head for stage in status.plan.stages)
        leases = next(phase for phase in status.phases if phase.name is PhaseName.LEASES)
        assert leases.note is not None
        assert "planned anew" in leases.note
        # The second plan counts what the first one lacked, on each device, and so does every later one.
        lacking = first.stages[0].total_bytes
        assert status.plan.beyond_bytes == pytest.approx(lacking, abs=8 * MIB)
        assert (await planned(head, 2)).beyond_bytes == status.plan.beyond_bytes
    finally:
        await stopped(head, instance)
