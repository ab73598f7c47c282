"""A request names a model that does not run: it is loaded, once, and whoever waits is served, told why not, or gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from app.cli.demo import MODEL, PROMPT
from app.cli.running import follow
from app.client import NodeClient
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.node import Status
from app.schema.plan import KvType, Plan, PlanRequest
from app.schema.record import ModelId
from app.system.paths import Paths
from tests.contract.programs import start_node, windows_lacks
from tests.contract.sparse_models import SparseModel
from tests.fakes.fake_llama import write_programs

QUESTION = [{"role": "user", "content": PROMPT}]
WIDE = 1 << 15
SLOW = {"FAKE_LLAMA_LOAD_SECONDS": "4"}


class Desk:
    """A node of a test: its own client, and OpenAI's, which repeats nothing."""

    def __init__(self, client: NodeClient, chat: openai.AsyncOpenAI) -> None:
        self.client = client
        self.chat = chat

    async def ask(self, model: str = MODEL) -> str:
        answer = await self.chat.chat.completions.create(model=model, messages=QUESTION, max_tokens=4)  # type: ignore[call-overload]
        return str(answer.choices[0].message.content)

    async def change(self, **settings: Any) -> None:
        await self.client.change_settings((await self.client.settings()).model_copy(update=settings))

    async def until(self, reached: Callable[[Status], bool]) -> Status:
        async with asyncio.timeout(60), contextlib.aclosing(self.client.watch()) as statuses:
            async for status in statuses:
                if reached(status):
                    return status
        raise AssertionError("the node ended")

    async def instances(self) -> tuple[InstanceStatus, ...]:
        return (await self.client.status()).instances


@contextlib.asynccontextmanager
async def desk(folder: Path, engine: Mapping[str, str] | None = None, settings: str = "") -> AsyncIterator[Desk]:
    """A node that knows only the models of its own folder and the demo model; a stand-in of an engine when told how."""
    data = folder / "Jörg 测试"
    data.mkdir(exist_ok=True)
    (data / "settings.json").write_text(f'{{"use_known_folders": false{settings}}}', "utf-8")
    env = None
    if engine is not None:
        env = {"CARAVAN_LLAMA_SERVER_PATH": str(write_programs(folder / "engine", engine))}
    node = await start_node(data, env)
    try:
        async with NodeClient(Paths.under(data)) as client:
            base = f"{client.endpoint.api_url}/v1"
            async with openai.AsyncOpenAI(base_url=base, api_key="any", max_retries=0) as chat:
                found = Desk(client, chat)
                await found.until(lambda status: status.engine.build is not None and status.load is not None)
                yield found
    finally:
        await node.stop()


def states(instances: tuple[InstanceStatus, ...]) -> list[InstanceState]:
    return [each.state for each in instances]


async def test_plain_and_streamed_answers_of_the_real_engine(tmp_path: Path) -> None:
    async with desk(tmp_path) as node:
        listed = [each async for each in node.chat.models.list()]
        assert [(each.id, each.model_extra) for each in listed] == [(MODEL, {"status": {"value": "unloaded"}})]
        stream = await node.chat.chat.completions.create(
            model=f"{MODEL.upper()}.gguf", messages=QUESTION, temperature=0, max_tokens=40, stream=True
        )  # type: ignore[call-overload]
        streamed = "".join([piece.choices[0].delta.content or "" async for piece in stream if piece.choices])
        assert (await node.chat.models.retrieve(MODEL)).model_extra == {"status": {"value": "loaded"}}
        assert len(await node.instances()) == 1
        await node.client.stop((await node.instances())[0].id)
        await node.until(lambda status: states(status.instances) == [InstanceState.STOPPED])
        plain = await node.chat.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40)  # type: ignore[call-overload]
        assert "Caravan" in streamed
        assert plain.choices[0].message.content == streamed
        assert len(await node.instances()) == 2


async def test_all_who_ask_at_the_same_time_wait_for_one_launch(tmp_path: Path) -> None:
    async with desk(tmp_path, {"FAKE_LLAMA_LOAD_SECONDS": "1"}) as node:
        answers = await asyncio.gather(*(node.ask() for _ in range(12)))
        assert len(set(answers)) == 1
        assert states(await node.instances()) == [InstanceState.READY]
        idle = await node.until(lambda status: status.instances[0].answering == 0)
        assert idle.instances[0].idle_since is not None


async def test_a_request_waits_for_a_launch_that_somebody_else_began(tmp_path: Path) -> None:
    async with desk(tmp_path, SLOW) as node:
        await node.client.load(ModelId(MODEL))
        assert await node.ask()
        assert states(await node.instances()) == [InstanceState.READY]


async def _raw(node: Desk) -> AsyncIterator[bytes]:
    body = {"model": MODEL, "messages": QUESTION, "stream": True}
    async with (
        httpx.AsyncClient(base_url=str(node.chat.base_url), timeout=120) as http,
        http.stream("POST", "chat/completions", json=body) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for piece in answer.aiter_bytes():
            yield piece


async def test_a_stream_that_waits_has_comments_and_then_the_answer(tmp_path: Path) -> None:
    async with desk(tmp_path, SLOW) as node:
        pieces = [piece async for piece in _raw(node)]
        assert pieces[0].startswith(b": ")
        text = b"".join(pieces)
        assert text.endswith(b"data: [DONE]\n\n")
        events = text.split(b"\n\n")[:-1]
        assert all(event.startswith((b": ", b"data: ")) for event in events)
        assert not [event for event in events if b"error" in event]


async def test_openais_client_does_not_see_the_comments(tmp_path: Path) -> None:
    async with desk(tmp_path, SLOW) as node:
        stream = await node.chat.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)  # type: ignore[call-overload]
        pieces = [piece async for piece in stream]
        assert pieces
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_whoever_leaves_while_it_loads_is_not_missed_and_the_next_one_is_served(
    tmp_path: Path, is_stream: bool
) -> None:
    async with desk(tmp_path, SLOW) as node:
        if is_stream:
            async with contextlib.aclosing(_raw(node)) as pieces:  # type: ignore[type-var]
                await anext(pieces)
        else:
            asked = asyncio.create_task(node.ask())
            await node.until(lambda status: states(status.instances) == [InstanceState.STARTING])
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        assert states(await node.instances()) == [InstanceState.STARTING]
        assert await node.ask()
        found = await node.until(lambda status: status.instances[0].answering == 0)
        assert states(found.instances) == [InstanceState.READY]


async def test_a_load_that_fails_is_told_to_all_and_not_repeated_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path, {"FAKE_LLAMA_OOM": "1"}) as node:
        asked = await asyncio.gather(node.ask(), node.ask(), return_exceptions=True)
        with pytest.raises(openai.InternalServerError) as again:
            await node.ask()
        errors = [*asked, again.value]
        assert [each.status_code for each in errors if isinstance(each, openai.APIStatusError)] == [503] * 3
        assert all("memory" in str(each) for each in errors), errors
        assert states(await node.instances()) == [InstanceState.FAILED]


async def test_a_load_that_fails_in_a_stream_that_began_is_told_in_it(tmp_path: Path) -> None:
    async with desk(tmp_path, SLOW) as node:
        stream = await node.chat.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)  # type: ignore[call-overload]
        await node.client.stop((await node.instances())[0].id)
        with pytest.raises(openai.APIError, match="cancelled"):
            async for _ in stream:
                pass


def write_giant(folder: Path) -> None:
    """A model that no PC of ours holds: 430 GB of holes."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {"attention__head_count": 64, "attention__head_count_kv": 64, "attention__layer_norm_rms_epsilon": 1e-5}
    sizes = {"block_count": 4, "context_length": 4096, "embedding_length": WIDE, "feed_forward_length": 1 << 20}
    giant = SparseModel(folder / "giant.gguf", "llama", **sizes, **keys)
    giant.ends(WIDE)
    for block in range(4):
        giant.attention(block, WIDE, WIDE, WIDE)
        giant.dense(block, WIDE, 1 << 20)
    giant.close()


@windows_lacks("no sparse files")
@pytest.mark.parametrize("is_stream", [True, False])
async def test_what_fits_nowhere_is_refused_in_the_planners_words(tmp_path: Path, is_stream: bool) -> None:
    async with desk(tmp_path, {}) as node:
        await asyncio.to_thread(write_giant, tmp_path / "Jörg 测试" / "models")
        await node.client.models(rescan=True)
        refusal = await node.client.plan(PlanRequest(model_id=ModelId("giant")))
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            await node.chat.chat.completions.create(model="giant", messages=QUESTION, stream=is_stream)  # type: ignore[call-overload]
        assert not isinstance(refusal, Plan)
        assert refusal.sentence.split(":")[0] in refused.value.message
        assert not await node.instances()


async def test_switched_off_only_what_runs_is_listed_and_answers(tmp_path: Path) -> None:
    async with desk(tmp_path, {}, ', "load_on_request": false') as node:
        assert [each async for each in node.chat.models.list()] == []
        with pytest.raises(openai.NotFoundError, match="No instance found"):
            await node.ask()
        assert not await node.instances()


async def test_no_file_is_opened_because_a_request_names_its_path(tmp_path: Path, demo_model: Path) -> None:
    outside = tmp_path / "outside.gguf"
    outside.write_bytes(demo_model.read_bytes())
    async with desk(tmp_path, {}) as node:
        with pytest.raises(openai.NotFoundError):
            await node.ask(str(outside))
        assert not await node.instances()


async def test_it_is_loaded_as_it_ran_last_also_after_a_new_start(tmp_path: Path) -> None:
    wishes = PlanRequest(model_id=ModelId(MODEL), context=512, slots=2, kv_type=KvType.Q8_0)
    extra = ("--temp", "0.5")
    async with desk(tmp_path, {}) as node:
        plan = await node.client.plan(wishes)
        assert isinstance(plan, Plan)
        launched = await node.client.launch(LaunchRequest(plan=plan, wishes=wishes, extra_arguments=extra))
        await node.until(lambda status: bool(status.last_launches))
        await node.client.stop(launched)
        await follow(node.client, launched, lambda _: False)
        await node.ask()
        again = (await node.instances())[-1].plan
        assert (again.context, again.slots, again.kv_type) == (512, 2, KvType.Q8_0)
    async with desk(tmp_path, {}, ', "load_at_start": true') as node:
        status = await node.until(lambda status: states(status.instances) == [InstanceState.READY])
        again = status.instances[0].plan
        assert (again.context, again.slots, again.kv_type) == (512, 2, KvType.Q8_0)
        assert status.last_launches[0].extra_arguments == extra
