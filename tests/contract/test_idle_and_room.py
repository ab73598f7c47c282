"""Models go by themselves when nobody needs them: idle ones in time, or for one that is asked for; none that works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import openai
import pytest

from app.cli.demo import MODEL, gathered, until
from app.cli.demo_nodes import start_cluster
from app.client import NodeClient
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Status
from tests.contract.conftest import guarded, launched
from tests.contract.programs import windows_lacks
from tests.contract.sparse_models import SparseModel
from tests.contract.test_load_on_request import QUESTION, Desk, desk, states

IDLE_MINUTES = 0.1
WIDE, BLOCKS = 4096, 16
SLOW_ANSWER = {"FAKE_LLAMA_TOKENS": "200", "FAKE_LLAMA_TOKEN_SECONDS": "0.1"}


async def reached(client: NodeClient, state: InstanceState) -> InstanceStatus:
    async with asyncio.timeout(60):
        found = await until(client, lambda status: states(status.all_instances) == [state])
    return found.all_instances[0]


async def test_it_stays_while_another_pc_uses_it_and_goes_when_nobody_does() -> None:
    async with AsyncExitStack() as stack:
        nodes = await start_cluster(stack, 1, guarded)
        head = await stack.enter_async_context(NodeClient(nodes[0].paths))
        other = await stack.enter_async_context(NodeClient(nodes[1].paths))
        await until(head, lambda status: gathered(status, 2))
        await head.change_settings((await head.settings()).model_copy(update={"unload_after": IDLE_MINUTES}))
        running = await launched(head, 2)
        base = f"{(await nodes[1].endpoint()).api_url}/v1"
        async with openai.AsyncOpenAI(base_url=base, api_key="any", max_retries=0) as chat:
            began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - began < 1.5 * IDLE_MINUTES * 60:
                stream = await chat.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)  # type: ignore[call-overload]
                async for _ in stream:
                    pass
            found = (await until(head, lambda status: status.instances[0].answering == 0)).instances[0]
            assert (found.id, found.state) == (running.id, InstanceState.READY)
            told = await until(other, lambda status: _left(status) is not None)
            assert _left(told) == pytest.approx((found.idle_since or 0.0) + IDLE_MINUTES * 60, abs=IDLE_MINUTES * 60)
            ended = await reached(head, InstanceState.STOPPED)
        assert ended.ended_because == "Unloaded: idle for 6 s."
        assert ended.error is None
        lines, _ = await head.logs("caravan", 100)
        assert any("unloaded: idle for 6 s" in line for line in lines)


def _left(status: Status) -> float | None:
    return next((at for each in status.all_instances if (at := status.unloads_at(each)) is not None), None)


def write_half(path: Path, size: int) -> None:
    """A model of about that many bytes, all of them holes."""
    forward = size // (BLOCKS * 3 * WIDE) // 256 * 256
    keys = {"attention__head_count": 32, "attention__head_count_kv": 8, "attention__layer_norm_rms_epsilon": 1e-5}
    sizes = {"block_count": BLOCKS, "context_length": 4096, "embedding_length": WIDE, "feed_forward_length": forward}
    model = SparseModel(path, "llama", vocabulary=256, **sizes, **keys)
    model.ends(WIDE, 256)
    for block in range(BLOCKS):
        model.attention(block, WIDE, WIDE, 1024)
        model.dense(block, WIDE, forward)
    model.close()


@contextlib.asynccontextmanager
async def two_halves(folder: Path, settings: str = "") -> AsyncIterator[Desk]:
    """A node with two models of which its memory holds one; the first runs."""
    async with desk(folder, SLOW_ANSWER, settings) as node:
        load = (await node.client.status()).load
        assert load is not None
        models = folder / "Jörg 测试" / "models"
        for name in ("first", "second"):
            await asyncio.to_thread(write_half, models / f"{name}.gguf", load.ram_free_bytes * 13 // 20)
        await node.client.models(rescan=True)
        await node.client.load((await node.client.models())[1].id)
        await node.until(lambda status: states(status.instances) == [InstanceState.READY])
        yield node


async def models(node: Desk) -> list[tuple[str, InstanceState]]:
    return [(each.model_id, each.state) for each in await node.instances()]


FIRST_RUNS = [("first", InstanceState.READY)]


@windows_lacks("no sparse files")
async def test_a_second_one_is_refused_with_what_is_in_its_way(tmp_path: Path) -> None:
    async with two_halves(tmp_path) as node:
        with pytest.raises(openai.InternalServerError) as refused:
            await node.ask("second")
        assert refused.value.status_code == 503
        assert "first runs now: unload it" in refused.value.message
        assert await models(node) == FIRST_RUNS


@windows_lacks("no sparse files")
async def test_where_the_settings_allow_it_an_idle_one_makes_room_and_one_that_answers_does_not(tmp_path: Path) -> None:
    async with two_halves(tmp_path, ', "make_room": true') as node:
        stream = await node.chat.chat.completions.create(model="first", messages=QUESTION, stream=True)  # type: ignore[call-overload]
        await anext(aiter(stream))
        with pytest.raises(openai.InternalServerError, match="first runs now"):
            await node.ask("second")
        assert await models(node) == FIRST_RUNS
        await stream.close()
        await node.until(lambda status: status.instances[0].answering == 0)
        # Room is made of what has been idle for a moment.
        await asyncio.sleep(3.5)
        quick = await node.chat.chat.completions.create(model="second", messages=QUESTION, max_tokens=1, stream=True)  # type: ignore[call-overload]
        await anext(aiter(quick))
        await quick.close()
        assert await models(node) == [("first", InstanceState.STOPPED), ("second", InstanceState.READY)]
        assert (await node.instances())[0].ended_because == "Unloaded to make room for second."
