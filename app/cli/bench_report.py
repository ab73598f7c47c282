"""PURE: what a bench found, as one JSON value and as Markdown that anyone can repeat."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

from pydantic import Field

from app.cli import words
from app.cli.bench_splits import PLANNED
from app.schema.model import ModelFile
from app.schema.node import PeerReport, Status
from app.schema.plan import Plan, Prediction, Stage
from app.schema.record import NodeId, Record


class Sample(Record):
    """One launch of a split and one question to it, by llama-server's own timings: tokens, tokens/s, seconds.

    `first_token` is measured where the question was asked, from sending it to the first piece of the answer.
    """

    prompt_tokens: int
    answer_tokens: int
    prompt_speed: float
    decode_speed: float
    first_token: float
    load: float


class SplitResult(Record):
    """A split under its `names` (several that came out the same share one), its plan, and what was measured.

    `problem` says in a sentence why it was not measured, then there is no plan or there are no samples.
    """

    names: tuple[str, ...]
    plan: Plan | None = None
    samples: tuple[Sample, ...] = ()
    problem: str | None = None


class PcFacts(Record):
    """The hardware of a PC and its engine, as far as it is known."""

    node: NodeId
    name: str
    operating_system: str
    processor: str
    ram_bytes: int
    gpus: tuple[str, ...] = ()
    engine: str | None = None
    caravan: str


class LinkFacts(Record):
    """The link to one PC: seconds there and back, bytes/s to it and from it, None where it was not measured."""

    pc: str
    round_trip: float | None = None
    throughput: float | None = None
    back: float | None = None


class BenchSettings(Record):
    """What was asked for. `prompt_tokens` is what was aimed at; the samples hold what it came to."""

    model: str
    runs: Annotated[int, Field(ge=1)]
    prompt_tokens: int
    answer_tokens: int
    context: int
    kv_type: str


class BenchReport(Record):
    """Everything of a bench. `began_at` is seconds since the epoch, `date` the same as text (UTC)."""

    began_at: float
    date: str
    command: str
    settings: BenchSettings
    model_file: ModelFile
    pcs: tuple[PcFacts, ...]
    links: tuple[LinkFacts, ...] = ()
    splits: tuple[SplitResult, ...] = ()


FIGURES: tuple[tuple[str, str, Callable[[Sample], float], Callable[[Prediction], float | None]], ...] = (
    ("answer, tok/s", "{:.2f}", lambda sample: sample.decode_speed, lambda told: told.decode),
    ("prompt, tok/s", "{:.1f}", lambda sample: sample.prompt_speed, lambda told: told.prefill),
    ("first token, s", "{:.3f}", lambda sample: sample.first_token, lambda told: told.first_token),
    ("load, s", "{:.2f}", lambda sample: sample.load, lambda told: told.load),
)
"""Title, format, what was measured, what was predicted."""


def facts(report: PeerReport) -> PcFacts | None:
    """What is worth telling of a PC; None before it was looked at."""
    hardware = report.hardware
    if hardware is None:
        return None
    gpus = (
        f"{each.name} {words.size(each.total_bytes)} (driver {each.driver or '-'})" for each in hardware.accelerators
    )
    return PcFacts(
        node=report.node.id,
        name=report.node.name,
        operating_system=f"{hardware.operating_system} {hardware.architecture}",
        processor=f"{hardware.processor.name}, {hardware.processor.logical_cores} threads",
        ram_bytes=hardware.ram_bytes,
        gpus=tuple(gpus),
        engine=report.engine.build.identity if report.engine.build else None,
        caravan=report.node.version,
    )


def all_facts(status: Status) -> tuple[PcFacts, ...]:
    """The facts of this PC and of every peer that told them."""
    own = PeerReport(node=status.node, hardware=status.hardware, engine=status.engine)
    found = (facts(each) for each in (own, *(peer.report for peer in status.peers if peer.report)))
    return tuple(each for each in found if each is not None)


def middle(samples: Iterable[Sample], figure: Callable[[Sample], float]) -> float:
    """The median of a figure."""
    return statistics.median(figure(each) for each in samples)


def exchange_seconds(samples: Sequence[Sample], prompt: int, answer: int) -> float:
    """Seconds of an exchange of so many tokens at the median speeds."""
    prefill = middle(samples, lambda each: each.prompt_speed)
    return prompt / prefill + answer / middle(samples, lambda each: each.decode_speed)


def gain(report: BenchReport, one: str, other: str) -> float | None:
    """How many times faster split `one` makes the exchange than `other`; None when either was not measured."""
    found = [
        next((each for each in report.splits if name in each.names and each.samples), None) for name in (one, other)
    ]
    tokens = report.settings.prompt_tokens, report.settings.answer_tokens
    seconds = [exchange_seconds(each.samples, *tokens) for each in found if each is not None]
    return seconds[1] / seconds[0] if len(seconds) == 2 else None


def gains(report: BenchReport) -> tuple[tuple[str, float], ...]:
    """The first split against each different one that was measured, and the geometric mean over several."""
    first, *others = report.splits
    name = first.names[0]
    found = [(f"{name} against {', '.join(each.names)}", gain(report, name, each.names[0])) for each in others]
    known = [(text, value) for text, value in found if value is not None]
    if len(known) > 1:
        known.append(("geometric mean", math.exp(statistics.fmean(math.log(value) for _, value in known))))
    return tuple(known)


def markdown(report: BenchReport) -> str:
    """The report for people: what came out first, then how it was measured and every figure."""
    lines = [
        f"# caravan bench: {report.settings.model}",
        "",
        *_summary_lines(report),
        *_method_lines(report),
        *_model_lines(report),
        *_pc_lines(report),
        *_split_lines(report),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _summary_lines(report: BenchReport) -> list[str]:
    """The splits beside each other, and what the first one gains."""
    rows = [_summary_row(report, split) for split in report.splits]
    head = ("split", "layers", *(title for title, *_ in FIGURES), "whole exchange, s")
    told = [f"- {name}: {value:.2f} times as fast" for name, value in gains(report)]
    if len(report.splits) == 1 and len(report.splits[0].names) > 1:
        told = ["All splits are the same here, so one was measured."]
    return [*_table(head, rows), "", *told, *([""] if told else [])]


def _summary_row(report: BenchReport, split: SplitResult) -> tuple[str, ...]:
    names = ", ".join(split.names)
    held = " + ".join(f"{stage.node_name} {stage.layers}" for stage in split.plan.stages) if split.plan else "-"
    if not split.samples:
        return (names, held, *("-" for _ in FIGURES), "not measured")
    figures = (form.format(middle(split.samples, figure)) for _, form, figure, _ in FIGURES)
    seconds = exchange_seconds(split.samples, report.settings.prompt_tokens, report.settings.answer_tokens)
    return (names, held, *figures, f"{seconds:.2f}")


def _method_lines(report: BenchReport) -> list[str]:
    settings = report.settings
    told = (
        f"{report.date}, `{report.command}`.",
        f"{settings.runs} launches of each split, in turn, each asked once: about {settings.prompt_tokens} tokens in, "
        f"{settings.answer_tokens} out, context {settings.context}, KV cache {settings.kv_type}.",
        "The figures are medians, by llama-server's own timings.",
    )
    return [" ".join(told), ""]


def _model_lines(report: BenchReport) -> list[str]:
    model, shape = report.model_file, report.model_file.shape
    told = f"{shape.architecture}, {shape.layers} layers, {shape.quantization or 'mixed types'}" if shape else "unread"
    return [f"Model: {model.id}, {words.size(model.size_bytes)} ({model.size_bytes} bytes), {told}.", ""]


def _pc_lines(report: BenchReport) -> list[str]:
    rows = [_pc_row(pc) for pc in report.pcs]
    head = ("PC", "processor", "RAM", "GPUs", "system", "llama.cpp", "Caravan")
    lines = ["## PCs", "", *_table(head, rows), ""]
    if report.links:
        links = [
            (each.pc, _told(each.round_trip, 1e3), _told(each.throughput, 1e-6), _told(each.back, 1e-6))
            for each in report.links
        ]
        own = report.pcs[0].name if report.pcs else "this PC"
        lines += [
            *_table((f"link from {own} to", "round trip, ms", "throughput to it, MB/s", "from it, MB/s"), links),
            "",
        ]
    return lines


def _pc_row(pc: PcFacts) -> tuple[str, ...]:
    gpus = "; ".join(pc.gpus) or "none"
    return (pc.name, pc.processor, words.size(pc.ram_bytes), gpus, pc.operating_system, pc.engine or "none", pc.caravan)


def _told(value: float | None, scale: float) -> str:
    return "not measured" if value is None else f"{value * scale:.2f}"


def _split_lines(report: BenchReport) -> list[str]:
    lines = ["## Splits", ""]
    for split in report.splits:
        lines += [f"### {', '.join(split.names)}", ""]
        if split.plan is not None:
            lines += [*(_stage_line(stage) for stage in split.plan.stages), *_left_out(split), ""]
        if split.problem is not None:
            lines += [f"Not measured: {split.problem}", ""]
        if split.samples:
            lines += [*_figure_table(split), "", *_unpredicted(split)]
    return lines


def _left_out(split: SplitResult) -> list[str]:
    """Why the planner leaves a PC out; of a split that is given, there is nothing to say."""
    if split.plan is None or PLANNED not in split.names:
        return []
    return [f"- {reason.sentence}" for reason in split.plan.left_out]


def _unpredicted(split: SplitResult) -> list[str]:
    if split.plan is None or split.plan.prediction is not None:
        return []
    return ["No speed was predicted: no PC in it had measured its devices yet, which each does when it is idle.", ""]


def _stage_line(stage: Stage) -> str:
    held = words.layers(stage.first_layer, stage.last_layer, stage.holds_output)
    return f"- {stage.node_name} {stage.device}: layers {held}, {words.size(stage.total_bytes)}"


def _figure_table(split: SplitResult) -> list[str]:
    rows = []
    for title, form, figure, predicted in FIGURES:
        values = [figure(each) for each in split.samples]
        told = predicted(split.plan.prediction) if split.plan and split.plan.prediction else None
        found = statistics.median(values)
        spread = f"{form.format(found)} ({form.format(min(values))} to {form.format(max(values))})"
        ratio = f"{told / found:.2f}" if told is not None and found else "-"
        rows.append((title, spread, form.format(told) if told is not None else "-", ratio))
    return _table(("", "measured (least to most)", "predicted", "predicted / measured"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in cells]
