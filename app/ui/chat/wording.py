"""PURE: what the chat says in words."""

import re
from collections.abc import Iterable

from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus, PhaseName
from app.schema.model import HeldModel
from app.schema.node import Status
from app.ui.chat.records import Author, Message, Stop
from app.ui.chat.session import Answer, Gauge
from app.ui.face import percent_of
from app.ui.parts.sizes import count_text, seconds_text
from app.ui.said import said
from app.ui.words import Phrase, tr

SEPARATOR = "  ·  "

_COMMAND = re.compile(r"\s*[^.]*`caravan [^`]*`[^.]*\.")
"""A sentence that sends to the command line."""

_STOPS = {
    Stop.END: tr("stopped: end"),
    Stop.LIMIT: tr("stopped: token limit"),
    Stop.CONTEXT: tr("stopped: context is full"),
    Stop.STOPPED: tr("stopped by you"),
    Stop.FAILED: tr("broke off"),
    Stop.INTERRUPTED: tr("broke off"),
}


def figures(message: Message) -> list[Phrase]:
    """What is known of an answer, for the quiet line below it."""
    known = message.figures
    parts: list[Phrase] = []
    if known.rate is not None:
        parts.append(
            tr("{rate} tok/s", rate=f"{known.rate:.1f}" if known.rate < 1000 else count_text(round(known.rate)))
        )
    if known.first_word is not None:
        parts.append(tr("first word {time}", time=seconds_text(known.first_word)))
    if known.answer_tokens is not None:
        parts.append(
            tr("1 token") if known.answer_tokens == 1 else tr("{count} tokens", count=count_text(known.answer_tokens))
        )
    if message.stop is not None and message.author is Author.ASSISTANT:
        parts.append(_STOPS[message.stop])
    return parts


def thinking(is_thinking: bool, seconds: float | None) -> Phrase:
    """The line over the model's reasoning."""
    if seconds is None:
        return tr("Thinking") if is_thinking else tr("Thoughts")
    whole = seconds_text(seconds) if not is_thinking else tr("{number} s", number=int(seconds))
    return tr("Thinking {time}", time=whole) if is_thinking else tr("Thought for {time}", time=whole)


def waiting(answer: Answer, now: float) -> Phrase | None:
    """What happens before the first word, None after it."""
    if answer.first_word_at is not None or answer.is_over:
        return None
    if answer.reading is not None and answer.reading.total:
        return tr(
            "Reading {done} of {total} tokens",
            done=count_text(answer.reading.done),
            total=count_text(answer.reading.total),
        )
    return tr("Waiting for the first word, {time}", time=seconds_text(max(now - answer.asked_at, 0.0)))


def broken_off(error: ErrorInfo, has_text: bool) -> ErrorInfo:
    """Why an answer failed, for who sits at the window: no word of the command line, and what to do next."""
    sentence = _COMMAND.sub("", error.sentence) or error.sentence
    hint = _COMMAND.sub("", error.hint)
    if not hint and has_text:
        hint = said(tr("What has come is kept, and goes on once a model is ready."))
    return error.model_copy(update={"sentence": sentence, "hint": hint.strip()})


def fullness(gauge: Gauge) -> Phrase:
    """The context gauge in words."""
    if gauge.used is None:
        return tr("{room} tokens of context", room=count_text(gauge.room)) if gauge.room else tr("Context unknown")
    if not gauge.room:
        return tr("{used} tokens used", used=count_text(gauge.used))
    return tr("{used} of {room} tokens of context used", used=count_text(gauge.used), room=count_text(gauge.room))


def short_fullness(gauge: Gauge) -> Phrase:
    """The same as a short label beside the gauge."""
    if gauge.room is None:
        return tr("")
    return tr(
        "{used} / {room}", used="–" if gauge.used is None else count_text(gauge.used), room=count_text(gauge.room)
    )


def why_not(status: Status | None, model: str | None, loads: str | None = None) -> Phrase | None:
    """Why nothing can be asked now, as a sentence with what to do; None when a model is ready, or `loads` will be."""
    if status is None:
        return tr("Caravan is not running on this PC. Start it to go on.")
    instances = status.all_instances
    if any(each.state is InstanceState.READY for each in instances):
        return None
    if starting := next((each for each in instances if each.state is InstanceState.STARTING), None):
        return tr("{model} is loading. You can write meanwhile, and send when it is ready.", model=starting.model_id)
    ended = [each for each in instances if each.state is InstanceState.FAILED and each.error]
    # One that failed is not tried again by itself; an older failure of another says nothing of this one.
    failed = next((each for each in ended if loads in (None, each.model_id)), None)
    if failed is not None:
        said = failed.error.sentence if failed.error else ""
        return tr("{model} is not running. {sentence}", model=failed.model_id, sentence=said)
    if loads is not None:
        return None
    if model:
        return tr("{model} is not running. Launch it, or another model, to go on.", model=model)
    return tr("No model is running. Launch one to go on.")


def nobody(status: Status | None, loads: str | None = None) -> Phrase:
    """Why no model answers, in few words, for the line below the title; `loads` is loaded when something is asked."""
    if status is None:
        return tr("Caravan is not running")
    starting = next((each for each in status.all_instances if each.state is InstanceState.STARTING), None)
    if starting is None:
        return tr("{model} is loaded when you ask", model=loads) if loads else tr("No model is running")
    percent = next((percent_of(each) for each in starting.phases if each.name is PhaseName.TENSORS), None)
    if percent is None:
        return tr("{model} is loading", model=starting.model_id)
    return tr("{model} is loading, {percent} %", model=starting.model_id, percent=percent)


def loadable(status: Status | None, models: Iterable[HeldModel], most: int = 8) -> tuple[str, ...]:
    """Models on the disks that neither run nor start, those launched last first; at most so many."""
    if status is None:
        return ()
    live = (InstanceState.STARTING, InstanceState.READY)
    busy = {each.model_id for each in status.all_instances if each.state in live}
    there = [each.model.id for each in models if each.model.problem is None and each.model.shape is not None]
    last = [each.model_id for each in status.last_launches if each.model_id in there]
    return tuple(each for each in dict.fromkeys((*last, *there)) if each not in busy)[:most]


def ready(status: Status | None) -> tuple[InstanceStatus, ...]:
    """The instances that answer, the newest first."""
    if status is None:
        return ()
    those = [each for each in status.all_instances if each.state is InstanceState.READY]
    return tuple(sorted(those, key=lambda each: -(each.ready_at or each.created_at)))


def places(status: Status, instance: InstanceStatus) -> list[str]:
    """The names of the PCs that carry a model, in the order in which its layers flow."""
    return list(dict.fromkeys(stage.node_name for stage in instance.plan.stages)) or [status.node.name]


def is_on_its_way(status: Status | None) -> bool:
    """Whether a model is loading."""
    return status is not None and any(each.state is InstanceState.STARTING for each in status.all_instances)
