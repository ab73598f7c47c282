"""The `openai` package as a user points it at us: plain, streamed, cancelled, and every error it may meet."""

import asyncio

import httpx
import openai
import pytest
import pytest_asyncio

from app.cli.demo import MODEL, PROMPT
from app.cli.demo_nodes import DemoNode
from app.client import NodeClient
from app.schema.instance import InstanceStatus
from tests.contract.conftest import launched, stopped

QUESTION = [{"role": "user", "content": PROMPT}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(head: NodeClient):  # type: ignore[no-untyped-def]
    """The demo model over three nodes."""
    status = await launched(head, 3)
    yield status
    await stopped(head, status.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(cluster: tuple[DemoNode, ...], running: InstanceStatus):  # type: ignore[no-untyped-def]
    """OpenAI's own client."""
    base = (await cluster[0].endpoint()).api_url
    async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="any", max_retries=0) as found:
        yield found


async def test_the_models_that_answer_are_listed(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [MODEL]
    assert (await client.models.retrieve(MODEL)).id == MODEL


async def test_a_plain_answer(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=160)
    text = answer.choices[0].message.content or ""
    assert "Caravan" in text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 10


async def test_a_streamed_answer_is_the_plain_one_in_pieces(client: openai.AsyncOpenAI) -> None:
    plain = await client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=160)
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        temperature=0,
        max_tokens=160,
        stream=True,
        stream_options={"include_usage": True},
    )
    pieces = [piece async for piece in stream]
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == plain.choices[0].message.content
    assert len(pieces) > 10
    assert pieces[-1].usage is not None


async def test_stop_words_end_it(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, stop=["."])
    assert "." not in (answer.choices[0].message.content or "")


async def test_text_completion(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model=MODEL, prompt="Caravan", max_tokens=8, temperature=0)
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason == "length"


LONGEST = 900
LONG = {"model": MODEL, "messages": QUESTION, "max_tokens": LONGEST, "extra_body": {"ignore_eos": True}}


async def _is_idle(client: openai.AsyncOpenAI) -> bool:
    """Whether a short request gets through: with one slot it waits for whatever still generates."""
    began = asyncio.get_running_loop().time()
    answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=16)  # type: ignore[call-overload]
    took = asyncio.get_running_loop().time() - began
    return took < 2 + LONGEST / 2 / answer.model_extra["timings"]["predicted_per_second"]  # type: ignore[index]


async def test_leaving_a_stream_frees_the_slot(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(**LONG, stream=True)  # type: ignore[call-overload]
    async for piece in stream:
        if piece.choices and piece.choices[0].delta.content:
            break
    await stream.close()
    assert await _is_idle(client)


async def test_leaving_a_plain_request_frees_the_slot(client: openai.AsyncOpenAI) -> None:
    with pytest.raises((TimeoutError, openai.APITimeoutError)):
        await client.with_options(timeout=0.3).chat.completions.create(**LONG)  # type: ignore[call-overload]
    assert await _is_idle(client)


async def test_an_unknown_model_is_a_404_that_says_what_runs(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=f"No instance found for model gpt-4.*Running now: {MODEL}"):
        await client.chat.completions.create(model="gpt-4", messages=QUESTION)


async def test_too_long_a_prompt_is_the_engines_own_400(client: openai.AsyncOpenAI) -> None:
    endless = [{"role": "user", "content": "why " * 20_000}]
    with pytest.raises(openai.BadRequestError, match="context"):
        await client.chat.completions.create(model=MODEL, messages=endless)  # type: ignore[arg-type]


async def test_fifty_at_once_are_all_answered(client: openai.AsyncOpenAI) -> None:
    asked = (client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=2) for _ in range(50))  # type: ignore[call-overload]
    assert {answer.model for answer in await asyncio.gather(*asked)} == {MODEL}


async def test_a_name_in_other_letters_or_none_at_all_is_understood(client: openai.AsyncOpenAI) -> None:
    for name in (f"{MODEL.upper()}.GGUF", ""):
        answer = await client.chat.completions.create(model=name, messages=QUESTION, max_tokens=1)
        assert answer.choices


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"model": 5}', 400),
        (b"[" * 100_000, 400),
        (b'{"messages": "x"}', 400),
        (b"", 400),
        (b'{"model": "\\ud800"}', 404),
    ],
)
async def test_absurd_requests_get_an_openai_error(client: openai.AsyncOpenAI, content: bytes, status: int) -> None:
    async with httpx.AsyncClient(base_url=str(client.base_url), timeout=60) as http:
        headers = {"Content-Type": "application/json"}
        answer = await http.post("chat/completions", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Content-Type": "text/plain"}]
)
async def test_a_web_page_cannot_ask(client: openai.AsyncOpenAI, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=str(client.base_url), timeout=60) as http:
        answer = await http.post(
            "chat/completions", content=b"{}", headers={"Content-Type": "application/json", **headers}
        )
    assert answer.status_code in {400, 403}
