"""Guessing ahead with the real engine: the answer at temperature 0 is the same text, and guesses are really taken.

One worker holds the model, so that every pass crosses a connection as it does over a LAN.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.engine.capabilities import Prober
from app.engine.commands import Guessing, HeadSpec, can_guess, head_command
from app.engine.locate import Places, locate
from app.schema.engine import EngineBuild
from app.schema.plan import KvType
from app.system.loopback_http import loopback_client
from app.system.ports import LOOPBACK, free_port
from app.system.spawn import start_child
from tests.link_engine import rpc_server

QUESTIONS = ("What is Caravan, and how do I join a cluster?", "How much memory do I need?")
KEY = "test"


@pytest.fixture
async def build(engine_folder: Path) -> EngineBuild:
    found = await Prober().probe(await locate(Places(setting=engine_folder), os.environ))
    if not can_guess(found, with_draft=True):
        pytest.skip("this build does not guess ahead")
    return found


async def answers(build: EngineBuild, spec: HeadSpec) -> tuple[list[str], int]:
    """The answers to all questions, each asked twice, and how many guessed tokens were right."""
    command = head_command(build, spec)
    child = await start_child(command.argv, on_line=lambda *_: None, env=command.environment, with_stdin=True)
    try:
        base, headers = f"http://{LOOPBACK}:{spec.port}", {"Authorization": f"Bearer {KEY}"}
        async with loopback_client(base_url=base, headers=headers, timeout=60.0) as client, asyncio.timeout(120):
            await until_healthy(client)
            told = [await ask(client, question) for _ in range(2) for question in QUESTIONS]
    finally:
        await child.stop(grace=0.0)
    texts = [each["choices"][0]["message"]["content"] for each in told]
    return texts, sum(each["timings"].get("draft_n_accepted", 0) for each in told)


async def until_healthy(client: httpx.AsyncClient) -> None:
    while True:
        try:
            if (await client.get("/health")).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.05)


async def ask(client: httpx.AsyncClient, question: str) -> dict[str, Any]:
    body = {
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 200,
        "temperature": 0,
        "cache_prompt": False,
    }
    answered: dict[str, Any] = (await client.post("/v1/chat/completions", json=body)).raise_for_status().json()
    return answered


async def test_guesses_change_no_word(build: EngineBuild, engine_folder: Path, demo_model: Path) -> None:
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(rpc_server(engine_folder))
        spec = HeadSpec(
            model_path=str(demo_model),
            alias="demo",
            devices=("RPC0",),
            rpc_endpoints=(f"{LOOPBACK}:{worker}",),
            gpu_layers=0,
            tensor_split=(),
            context=2048,
            slots=1,
            kv_type=KvType.F16,
            port=free_port(),
            api_key=KEY,
            threads=1,
        )
        plain, none = await answers(build, spec)
        assert none == 0
        assert all(plain)
        for guessing in (Guessing(8), Guessing(5, str(demo_model))):
            told, right = await answers(build, replace(spec, port=free_port(), guessing=guessing))
            assert told == plain, guessing
            assert right > 50, guessing
