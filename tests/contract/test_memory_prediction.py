"""The planner's bytes per device against the engine's own projection, for files of eight kinds of architecture.

Three workers on the processor stand in for cards: the engine takes every RPC device for a GPU that can do all.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import pytest
import pytest_asyncio

from app.engine.commands import HeadSpec, fit_command
from app.modelstore.gguf import read_shape
from app.planner.memory import MEBI, Demand, demand
from app.schema.engine import EngineBuild
from app.schema.plan import KvType
from app.system.spawn import run_short
from tests.contract.programs import windows_lacks
from tests.contract.sparse_models import MODELS
from tests.link_engine import rpc_server

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    windows_lacks("no sparse files: its C library writes every byte of one"),
]

MOST = 32
"""MiB by which a prediction may be off, where 3 % of what the engine says is less."""


@dataclass(frozen=True)
class Split:
    """Blocks on the head's processor and on each worker, and how many of each worker's leave their experts in RAM.

    Those that do stand for cards of the head.
    """

    processor: int
    workers: tuple[int, ...]
    spilled: tuple[int, ...] = ()

    @property
    def pipelined(self) -> bool:
        return len(self.workers) > 1 and not self.processor and not any(self.spilled)

    def stages(self) -> Iterator[tuple[str, int, int, int]]:
        """Each stage's device by the engine's name, first block, end, and blocks without their experts."""
        counts = [("Host", self.processor, 0)] if self.processor else []
        both = enumerate(zip_longest(self.workers, self.spilled, fillvalue=0))
        counts += [(f"RPC{i}", count, gone) for i, (count, gone) in both]
        first = 0
        for name, count, gone in counts:
            yield name, first, first + count, gone
            first += count

    @property
    def expert_layers(self) -> tuple[int, ...]:
        return tuple(i for _, first, _, gone in self.stages() for i in range(first, first + gone))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoints(engine_folder: Path) -> AsyncIterator[tuple[str, ...]]:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(rpc_server(engine_folder)) for _ in range(3)]
        yield tuple(f"127.0.0.1:{port}" for port in ports)


@pytest.mark.parametrize("kind", MODELS)
async def test_every_device_within_3_percent_or_32_mib(
    kind: str, tmp_path: Path, engine_folder: Path, endpoints: tuple[str, ...]
) -> None:
    path = MODELS[kind](tmp_path / "model.gguf")
    shape = read_shape(path)
    layers = shape.layers
    third = layers // 3
    for context in (4096, 32768):
        needs = demand(shape, context, 1, KvType.F16)
        for split in (
            Split(0, (layers,)),
            Split(0, (third, third, layers - 2 * third)),
            Split(third, (layers - third,)),
            Split(third, (third, layers - 2 * third)),
            Split(layers, ()),
        ):
            printed = await projected(engine_folder, path, endpoints, split, context)
            check(printed, predicted(needs, split), (kind, context, split))


@pytest.mark.parametrize("kind", ["experts", "latent attention", "further tokens"])
async def test_experts_in_the_heads_ram_are_counted_there_and_not_on_the_cards(
    kind: str, tmp_path: Path, engine_folder: Path, endpoints: tuple[str, ...]
) -> None:
    path = MODELS[kind](tmp_path / "model.gguf")
    shape = read_shape(path)
    layers, third = shape.layers, shape.layers // 3
    rest = layers - 2 * third
    for context in (4096, 32768):
        # The engine copies experts to a card for a prompt, but never to a worker, which is what stands in for one here.
        needs = replace(demand(shape, context, 1, KvType.F16), expert_copy=0)
        for split in (
            Split(0, (layers,), (layers // 2,)),
            Split(0, (layers,), (layers,)),
            Split(third, (layers - third,), (2,)),
            Split(0, (2 * third, rest), (0, rest)),
            Split(0, (third, third, rest), (0, third, 1)),
        ):
            printed = await projected(engine_folder, path, endpoints, split, context)
            check(printed, predicted(needs, split), (kind, context, split))


def check(printed: dict[str, int], wanted: dict[str, int], case: object) -> None:
    for name, expected in wanted.items():
        found = printed[name]
        assert abs(expected / MEBI - found) <= max(MOST, found * 0.03), (case, name, expected / MEBI, found)


async def projected(folder: Path, path: Path, endpoints: tuple[str, ...], split: Split, context: int) -> dict[str, int]:
    """MiB of each device as `llama-fit-params` prints them: model, cache and compute buffers together."""
    used = endpoints[: len(split.workers)]
    spec = HeadSpec(
        model_path=str(path),
        alias="model",
        devices=tuple(f"RPC{i}" for i in range(len(used))),
        rpc_endpoints=used,
        gpu_layers=sum(split.workers) + 1 if split.workers else 0,
        tensor_split=(*split.workers[:-1], split.workers[-1] + 1) if split.workers else (),
        context=context,
        slots=1,
        kv_type=KvType.F16,
        port=1,
        api_key="",
        expert_layers=split.expert_layers,
    )
    command = fit_command(build(folder), spec)
    assert command is not None
    done = await run_short(command.argv, deadline=30, env=command.environment)
    rows = [line.split() for line in done.stdout.splitlines()]
    found = {row[0]: sum(map(int, row[1:])) for row in rows if len(row) == 4 and row[1].isdigit()}
    assert found, done
    return found


def build(folder: Path) -> EngineBuild:
    """The development engine, with the options this test is about."""
    return EngineBuild(
        server=str(folder / "llama-server"),
        worker=None,
        fit_params=str(folder / "llama-fit-params"),
        source="package",
        build=11434,
        commit=None,
        version_text="b11434",
        flags=frozenset({"--load-mode", "-nr"}),
    )


def predicted(needs: Demand, split: Split) -> dict[str, int]:
    """Bytes the planner expects on each device, by the engine's names; `Host` is the head's processor."""
    found: dict[str, int] = {}
    for name, first, end, gone in split.stages():
        place = {"first": first == 0, "last": end == needs.layers}
        compute = needs.buffers.of(**place, pipelined=split.pipelined)
        if gone:
            whole = needs.experts[first + gone] < needs.experts[end]
            compute = needs.buffers.spilled(**place, whole=whole, copied=needs.expert_copy)
        beside = (needs.output_bytes if place["last"] else 0) - (needs.experts[first + gone] - needs.experts[first])
        found[name] = needs.prefix[end] - needs.prefix[first] + compute + beside
    gone = sum(needs.experts[i + 1] - needs.experts[i] for i in split.expert_layers)
    if gone and not split.processor:
        found["Host"] = needs.buffers.experts
    if "Host" in found:
        found["Host"] += gone + needs.head_ram_bytes - (0 if split.workers else needs.tied_bytes)
    return found
