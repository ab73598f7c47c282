"""Whatever is asked, the answer has our form, says what was wrong, and leaves no stack trace."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from app.api.answers import PROBLEMS_TOLD, add_error_answers
from app.schema.errors import InstanceNotFound
from app.schema.record import Record


class Numbers(Record):
    numbers: tuple[int, ...]


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    add_error_answers(app)

    @app.post("/numbers")
    async def numbers(request: Numbers) -> int:
        return len(request.numbers)

    @app.get("/v1/unknown")
    async def unknown() -> None:
        raise InstanceNotFound("No instance found for model \ud800.", "")

    @app.get("/left")
    async def left() -> None:
        raise ClientDisconnect

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as found:
        yield found


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"numbers": ' + b"9" * 5000 + b"}"])
async def test_json_that_python_cannot_read_is_named_as_such(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/numbers", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_input"
    assert "not valid JSON" in answer.json()["error"]["sentence"]


async def test_a_wrong_method_is_told_apart_from_a_wrong_address(client: httpx.AsyncClient) -> None:
    wrong = await client.delete("/numbers")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"
    assert "DELETE" in wrong.json()["error"]["sentence"]
    assert (await client.get("/nothing")).json()["error"]["code"] == "not_found"


async def test_a_name_with_half_a_character_is_told_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/unknown")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "No instance found for model ?."


async def test_a_hundred_thousand_mistakes_are_not_all_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/numbers", json={"numbers": ["x"] * 100_000})
    assert answer.status_code == 400
    assert len(answer.json()["error"]["detail"]) == PROBLEMS_TOLD


async def test_a_client_that_leaves_is_no_error_of_ours(client: httpx.AsyncClient) -> None:
    assert (await client.get("/left")).status_code == 409
