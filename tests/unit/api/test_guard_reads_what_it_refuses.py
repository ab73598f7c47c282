"""A refused request is read before it is answered: a connection closed with unread bytes is reset, and the client may
see that instead of the answer. Windows programs, which send head and body apart, met it now and then."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from app.api.guard import SWALLOWED_BYTES, LoopbackGuard

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "headers": [(b"host", b"evil.example"), (b"content-length", b"2"), (b"content-type", b"application/json")],
}


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("a refused request is not passed on")


async def exchange(receive: Receive) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(30):
        await LoopbackGuard(never)(dict(SCOPE), receive, send)
    return sent


async def test_the_body_is_read_first() -> None:
    parts = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.request", "body": b"}", "more_body": False},
    ]

    async def receive() -> Message:
        return parts.pop(0)

    sent = await exchange(receive)
    assert parts == []
    assert sent[0]["status"] == 403


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await exchange(receive))[0]["status"] == 403


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += 1 << 16
        return {"type": "http.request", "body": bytes(1 << 16), "more_body": True}

    assert (await exchange(receive))[0]["status"] == 403
    assert read == SWALLOWED_BYTES


async def test_one_who_has_hung_up_is_no_trouble() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await exchange(receive)
