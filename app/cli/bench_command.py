"""`caravan bench`: prompt and answer speed, time to first token, load and link of the running cluster.

The planned split, llama.cpp's own default one and the memory-proportional one are launched in turn, so that a change of
the weather on the machine meets them all.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from app.cli import bench_splits as splits
from app.cli import words
from app.cli.bench_report import (
    FIGURES,
    BenchReport,
    BenchSettings,
    LinkFacts,
    Sample,
    SplitResult,
    all_facts,
    gains,
    markdown,
    middle,
)
from app.cli.console import EXIT_FAILED, Session, run, session, show_error, show_json
from app.cli.facts import AsJson
from app.cli.running import ENDED, Model, follow, launch_and_follow, model_name, planned, show_stages
from app.cli.wishes import Context
from app.client import NodeClient
from app.schema.errors import CaravanError, InputError, from_info
from app.schema.model import ModelFile
from app.schema.node import Status
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import InstanceId, NodeId
from app.system.files import plain_reason, write_atomically

Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write the report there; here when left out.")]
Runs = Annotated[int, typer.Option(min=1, max=100, help="Launches of every split.")]
PromptTokens = Annotated[int, typer.Option("--prompt-tokens", min=16, max=1 << 17, help="About how many tokens in.")]
AnswerTokens = Annotated[int, typer.Option("--answer-tokens", min=8, max=1 << 14, help="How many tokens out.")]

_WARM_UP_TOKENS = 8
_ROUND_TRIP_LOOKS, _LOOK_SECONDS = 20, 0.5
_WORDS = ("caravan", "wagon", "river", "stone", "bridge", "market", "winter", "lantern", "copper", "valley", "harbour")


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    model: str
    context: int | None
    runs: int
    prompt_tokens: int
    answer_tokens: int


Tell = Callable[[str], None]


def bench(
    context: typer.Context,
    model: Model,
    tokens: Context = None,
    runs: Runs = 3,
    prompt_tokens: PromptTokens = 512,
    answer_tokens: AnswerTokens = 128,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on this cluster: the planned split, llama.cpp's own and the memory-proportional one, in turn."""
    to = session(context)
    wish = Wish(model, tokens, runs, prompt_tokens, answer_tokens)

    async def work() -> int:
        folder = await asyncio.to_thread(report_folder, out or Path.cwd())
        async with to.client() as client:
            with _teller(to, quiet=as_json) as tell:
                report = await measure(client, wish, tell)
        try:
            written = await asyncio.to_thread(_write, folder, report)
        except InputError as error:
            _tell(to, report, as_json)
            show_error(to, error, as_json=False)
            return EXIT_FAILED
        _tell(to, report, as_json)
        if not as_json:
            to.say(f"Report: {written[0]} and {written[1]}", "dim")
        return 0 if any(split.samples for split in report.splits) else 1

    run(to, work, as_json)


def report_folder(path: Path) -> Path:
    """The folder, made and tried before anything is measured for it. Raises InputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path) as file:
            file.write(b"?")
    except OSError as error:
        raise InputError(
            f"The report cannot be written to {path}: {plain_reason(error)}.", "Choose another folder with --out."
        ) from error
    return path


def _write(folder: Path, report: BenchReport) -> tuple[Path, Path]:
    stamp = datetime.fromtimestamp(report.began_at, UTC).strftime("%Y%m%d-%H%M%S")
    texts = {"md": markdown(report), "json": report.model_dump_json(indent=2) + "\n"}
    paths = {kind: folder / f"caravan-bench-{stamp}.{kind}" for kind in texts}
    for kind, path in paths.items():
        try:
            write_atomically(path, texts[kind].encode())
        except OSError as error:
            raise InputError(
                f"{path} cannot be written: {plain_reason(error)}.", "Choose another folder with --out."
            ) from error
    return paths["md"], paths["json"]


@contextlib.contextmanager
def _teller(to: Session, quiet: bool) -> Iterator[Tell]:
    """What says the current step: one changing line on a terminal, a line per step elsewhere."""
    if quiet:
        yield lambda _: None
    elif not to.out.is_terminal:
        yield to.say
    else:
        with Live(console=to.out, refresh_per_second=8, transient=True) as live:
            yield lambda line: live.update(Text(line, no_wrap=True, overflow="ellipsis"))


async def measure(client: NodeClient, wish: Wish, tell: Tell) -> BenchReport:
    """The whole bench. Nothing of it runs any more when this ends, however it ends. Raises CaravanError."""
    began = time.time()
    status = await client.status()
    _check_free(status)
    file = await client.model(model_name(wish.model))
    found = list(await candidates(client, wish, status))
    links = await _links(client, status, tell)
    for again in range(wish.runs):
        found = [await _one_more(client, each, wish, again, tell) for each in found]
    return _report(began, wish, file, status, links, tuple(found))


async def _one_more(client: NodeClient, split: SplitResult, wish: Wish, again: int, tell: Tell) -> SplitResult:
    """The split with one more sample, or with what went wrong; it is not tried again then."""
    if split.plan is None or split.problem is not None:
        return split

    def tell_step(step: str) -> None:
        tell(f"run {again + 1} of {wish.runs}, {split.names[0]}: {step}")

    try:
        sample = await _sample(client, split.plan, wish, again, tell_step)
    except CaravanError as error:
        return split.model_copy(update={"problem": error.sentence})
    return split.model_copy(update={"samples": (*split.samples, sample)})


def _check_free(status: Status) -> None:
    if any(each.state not in ENDED for each in status.all_instances):
        raise InputError("A model is running, which would disturb the figures.", "End it first: `caravan stop`.")


async def candidates(client: NodeClient, wish: Wish, status: Status) -> tuple[SplitResult, ...]:
    """The splits to measure, equal ones together; one that does not fit has a problem instead of a plan."""
    request = PlanRequest(
        model_id=model_name(wish.model),
        context=wish.context,
        prompt_tokens=wish.prompt_tokens,
        answer_tokens=wish.answer_tokens,
    )
    chosen = await _holding_it_all(client, wish, request)
    fixed = request.model_copy(update={"context": chosen.context, "head": chosen.head})
    pcs = splits.benches(status)
    found = [SplitResult(names=(splits.PLANNED,), plan=chosen)]
    makers = ((splits.DEFAULT, splits.default_shares), (splits.PROPORTIONAL, splits.proportional_shares))
    for name, shares in makers:
        wanted = fixed.model_copy(update={"shares": shares(pcs, chosen.head, chosen.layers)})
        found = add_split(found, name, await client.plan(wanted))
    return tuple(found)


async def _holding_it_all(client: NodeClient, wish: Wish, request: PlanRequest) -> Plan:
    """The plan whose context holds question and answer: else the engine refuses the one, or cuts the other short.

    How many tokens the words of a question make is only estimated, so there is some room for more. Raises InputError
    where the context that was asked for is too small, and PlacementRefused.
    """
    chosen, least = planned(await client.plan(request)), wish.prompt_tokens + wish.answer_tokens
    roomy = least + wish.prompt_tokens // 4 + 64
    if wish.context is not None and chosen.context < least:
        told = f"{words.number(wish.prompt_tokens)} tokens in and {words.number(wish.answer_tokens)} out"
        raise InputError(
            f"{told} do not fit in {words.number(chosen.context)} tokens of context.",
            f"Ask for --context {roomy}, or for fewer tokens.",
        )
    if wish.context is not None or chosen.context >= roomy:
        return chosen
    larger = await client.plan(request.model_copy(update={"context": roomy}))
    return chosen if isinstance(larger, Refusal) and chosen.context >= least else planned(larger)


def add_split(found: list[SplitResult], name: str, answer: Plan | Refusal) -> list[SplitResult]:
    """PURE: one more split; one that is there already only gets the further name."""
    if isinstance(answer, Refusal):
        return [*found, SplitResult(names=(name,), problem=answer.sentence)]
    same = next((each for each in found if each.plan and splits.same_placement(each.plan, answer)), None)
    if same is None:
        return [*found, SplitResult(names=(name,), plan=answer)]
    named = same.model_copy(update={"names": (*same.names, name)})
    return [named if each is same else each for each in found]


async def _links(client: NodeClient, status: Status, tell: Tell) -> tuple[LinkFacts, ...]:
    found = []
    for pc in splits.benches(status)[1:]:
        tell(f"link to {pc.name}")
        peer = next((each for each in status.peers if each.node == pc.node), None)
        throughput = peer.throughput if peer else None
        # The other way is measured by that PC, when it is idle.
        back = peer.rate_to(status.node.id) if peer else None
        with contextlib.suppress(CaravanError):
            throughput = await client.cluster.measure_link(pc.node)
        trip = await _round_trip(client, pc.node)
        found.append(LinkFacts(pc=pc.name, round_trip=trip, throughput=throughput, back=back))
    return tuple(found)


async def _round_trip(client: NodeClient, node: NodeId) -> float | None:
    """Seconds to a PC and back. The node measures it all the time; on a new link that takes a moment."""
    for _ in range(_ROUND_TRIP_LOOKS):
        peer = next((each for each in (await client.status()).peers if each.node == node), None)
        if peer is None or peer.round_trip is not None:
            return peer.round_trip if peer else None
        await asyncio.sleep(_LOOK_SECONDS)
    return None


@contextlib.asynccontextmanager
async def _running(client: NodeClient, plan: Plan, tell: Tell) -> AsyncIterator[tuple[InstanceId, float]]:
    """A launched plan and the seconds it took; it has ended when the block has. Raises its error."""
    tell("loading")
    started = await launch_and_follow(client, plan, lambda _: None)
    try:
        if started.error is not None:
            raise from_info(started.error)
        yield started.id, (started.ready_at or started.created_at) - started.created_at
    finally:
        if started.state not in ENDED:
            await client.stop(started.id)
            await follow(client, started.id, lambda _: False)


async def _sample(client: NodeClient, plan: Plan, wish: Wish, again: int, tell: Tell) -> Sample:
    async with _running(client, plan, tell) as (instance, load):
        tell("warming up")
        count = await _words_for(client, instance, wish.prompt_tokens)
        tell("measuring")
        timings, first = await _ask(client, instance, prompt(count, again + 1), wish.answer_tokens)
    return Sample(
        prompt_tokens=int(timings["prompt_n"]),
        answer_tokens=int(timings["predicted_n"]),
        prompt_speed=timings["prompt_per_second"],
        decode_speed=timings["predicted_per_second"],
        first_token=first,
        load=load,
    )


def prompt(words: int, seed: int) -> str:
    """PURE: a text of so many words, another one for every seed, the same ones on every PC."""
    return " ".join(random.Random(seed).choices(_WORDS, k=words))


async def _words_for(client: NodeClient, instance: InstanceId, tokens: int) -> int:
    """Words that make about so many tokens, by how this model counts two short questions, which also warm it up."""
    # Few enough for a tokenizer that knows only letters.
    few, many = 5, 45
    counts = [(await _ask(client, instance, prompt(each, 0), _WARM_UP_TOKENS))[0]["prompt_n"] for each in (few, many)]
    per_word = max((counts[1] - counts[0]) / (many - few), 0.25)
    # The chat template adds tokens of its own.
    return max(few + round((tokens - counts[0]) / per_word), 1)


async def _ask(client: NodeClient, instance: InstanceId, text: str, answer: int) -> tuple[dict[str, float], float]:
    """The head's timings of one question, and the seconds until its first piece."""
    request: dict[str, Any] = {
        "model": instance,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": answer,
        "temperature": 0,
        "ignore_eos": True,
        "cache_prompt": False,
    }
    began, first, timings = time.perf_counter(), 0.0, None
    async with aclosing(client.chat(request)) as pieces:
        async for piece in pieces:
            if (piece.text or piece.reasoning) and not first:
                first = time.perf_counter() - began
            timings = piece.timings or timings
    if timings is None:
        raise InputError("The engine told no timings.", "Install the llama.cpp build that comes with Caravan.")
    return timings, first or time.perf_counter() - began


def _report(
    began: float,
    wish: Wish,
    file: ModelFile,
    status: Status,
    links: tuple[LinkFacts, ...],
    results: tuple[SplitResult, ...],
) -> BenchReport:
    plan = results[0].plan
    context, kv_type = (plan.context, plan.kv_type.value) if plan else (0, "-")
    command = (
        f"caravan bench {file.id} --context {context} --runs {wish.runs} "
        f"--prompt-tokens {wish.prompt_tokens} --answer-tokens {wish.answer_tokens}"
    )
    return BenchReport(
        began_at=began,
        date=datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=command,
        settings=BenchSettings(
            model=file.id,
            runs=wish.runs,
            prompt_tokens=wish.prompt_tokens,
            answer_tokens=wish.answer_tokens,
            context=context,
            kv_type=kv_type,
        ),
        # A report is for others: where the file lies on this PC is nobody's business.
        model_file=file.model_copy(update={"path": "", "folder": "", "parts": (), "projector_path": None}),
        pcs=all_facts(status),
        links=links,
        splits=results,
    )


def _tell(to: Session, report: BenchReport, as_json: bool) -> None:
    if as_json:
        show_json(report)
        return
    for split in report.splits:
        to.say(", ".join(split.names), "bold")
        if split.plan is not None:
            show_stages(to, split.plan)
        if split.problem is not None:
            to.say(f"  ! {split.problem}")
        if split.samples:
            figures = (f"{title} {form.format(middle(split.samples, each))}" for title, form, each, _ in FIGURES)
            to.say(f"  {'; '.join(figures)}")
    if len(report.splits) == 1 and len(report.splits[0].names) > 1:
        to.say("All three splits are the same here, so one was measured.")
    for name, value in gains(report):
        to.say(f"{name}: {value:.2f} times as fast")
