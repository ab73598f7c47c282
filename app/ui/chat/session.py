"""PURE: an answer while it is streamed: what has come, how long it took, why it ended. Times are a clock's seconds."""

from dataclasses import dataclass, replace

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.ui.chat.records import Figures, Message, Stop

LEAST_SECONDS = 0.25
"""An answer must have run this long before its rate is a measure."""

_MILLISECONDS = 1000.0
_FINISHED = {"stop": Stop.END, "tool_calls": Stop.END, "length": Stop.LIMIT}


@dataclass(frozen=True)
class Reading:
    """How much of the prompt the model has read, in tokens, those it remembered included."""

    done: int
    total: int


@dataclass(frozen=True)
class Answer:
    """An answer that is written. `message` is what is kept; it has a stop reason when it has ended.

    `base` is what was there before when an answer is continued: engines differ in whether they repeat it.
    `earlier` is how many tokens that had.
    `context` is the room of the instance in tokens, `limit` the most tokens that were asked for; None when unknown.
    """

    message: Message
    asked_at: float
    base: str = ""
    context: int | None = None
    limit: int | None = None
    earlier: int = 0
    raw: str = ""
    pieces: int = 0
    first_word_at: float | None = None
    first_text_at: float | None = None
    last_at: float | None = None
    reading: Reading | None = None
    finish_reason: str | None = None

    @classmethod
    def begin(
        cls, message: Message, now: float, context: int | None = None, limit: int | None = None, base: str = ""
    ) -> "Answer":
        """An answer just asked for; with a `base` it goes on where that one ended."""
        earlier = (message.figures.answer_tokens or 0) if base else 0
        begun = message.model_copy(update={"text": base, "stop": None, "error": None})
        return cls(begun, now, base, context, limit, earlier)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.message.stop is not None

    @property
    def is_thinking(self) -> bool:
        """Whether the model reasons and has not begun to answer."""
        return not self.is_over and bool(self.message.reasoning) and self.first_text_at is None

    def thought(self, now: float) -> float | None:
        """Seconds the model has reasoned until now, None when it has not."""
        if not self.message.reasoning or self.first_word_at is None:
            return None
        return (self.first_text_at or (self.last_at if self.is_over else now) or now) - self.first_word_at

    def heard(self, piece: ChatPiece, now: float) -> "Answer":
        """The answer after a piece of it. A piece after the end changes nothing."""
        if self.is_over:
            return self
        speaks = bool(piece.text or piece.reasoning)
        heard = replace(
            self,
            raw=self.raw + piece.text,
            pieces=self.pieces + speaks,
            first_word_at=self.first_word_at or (now if speaks else None),
            first_text_at=self.first_text_at or (now if piece.text else None),
            last_at=now if speaks else self.last_at,
            reading=_reading(piece) or (None if speaks else self.reading),
            finish_reason=piece.finish_reason or self.finish_reason,
        )
        return replace(heard, message=heard._message(piece, now))

    def ended(self, now: float) -> "Answer":
        """The stream is over. Without a reason from the engine it has broken off."""
        if self.is_over:
            return self
        stop = _FINISHED.get(self.finish_reason or "", Stop.INTERRUPTED)
        return self._closed(self._limit() if stop is Stop.LIMIT else stop, now)

    def stopped(self, now: float) -> "Answer":
        """The user has stopped it: what has come stays."""
        return self._closed(Stop.STOPPED, now)

    def failed(self, error: ErrorInfo, now: float) -> "Answer":
        """It broke: what has come stays, with the sentence."""
        closed = self._closed(Stop.FAILED, now)
        return replace(closed, message=closed.message.model_copy(update={"error": error}))

    def _closed(self, stop: Stop, now: float) -> "Answer":
        figures = self._measured(now)
        return replace(self, message=self.message.model_copy(update={"stop": stop, "figures": figures}), reading=None)

    def _limit(self) -> Stop:
        used = self.message.figures
        if self.limit is not None and (used.answer_tokens or 0) - self.earlier >= self.limit:
            return Stop.LIMIT
        total = (used.prompt_tokens or 0) + (used.answer_tokens or 0)
        return Stop.CONTEXT if self.context is not None and total >= self.context - 1 else Stop.LIMIT

    def _message(self, piece: ChatPiece, now: float) -> Message:
        return self.message.model_copy(
            update={
                "text": joined(self.base, self.raw),
                "reasoning": self.message.reasoning + piece.reasoning,
                "figures": _counted(self._measured(now), piece, self.earlier),
            }
        )

    def _measured(self, now: float) -> Figures:
        """What our own clock says; the engine's own rate and counts, once they come, are kept."""
        known = self.message.figures
        rate = known.rate
        if known.answer_tokens is None or rate is None:
            rate = self._own_rate()
        first = None if self.first_word_at is None else self.first_word_at - self.asked_at
        return known.model_copy(update={"rate": rate, "first_word": first, "thinking": self.thought(now)})

    def _own_rate(self) -> float | None:
        if self.first_word_at is None or self.last_at is None or self.last_at < self.first_word_at + LEAST_SECONDS:
            return None
        return (self.pieces - 1) / (self.last_at - self.first_word_at)


def joined(base: str, raw: str) -> str:
    """A continued answer: some engines repeat what was there, cut at its end, others send only what is new."""
    if not base:
        return raw
    kept = base.rstrip()
    if raw.startswith(kept):
        return base + raw[len(kept) :].lstrip() if base != kept else raw
    if kept.startswith(raw):
        return base
    return base + raw


def _reading(piece: ChatPiece) -> Reading | None:
    if not piece.progress:
        return None
    return Reading(int(piece.progress.get("processed", 0)), int(piece.progress.get("total", 0)))


def _counted(figures: Figures, piece: ChatPiece, earlier: int) -> Figures:
    known: dict[str, float | int] = {}
    if piece.timings:
        known |= _of_timings(piece.timings)
    if piece.usage:
        for name, source in (("prompt_tokens", "prompt_tokens"), ("answer_tokens", "completion_tokens")):
            if isinstance(piece.usage.get(source), int):
                known[name] = piece.usage[source]
    if earlier and "answer_tokens" in known:
        # What was there before is part of the prompt now, and of the answer.
        known["answer_tokens"] += earlier
        if "prompt_tokens" in known:
            known["prompt_tokens"] -= earlier
    return figures.model_copy(update=known) if known else figures


def _of_timings(timings: dict[str, float]) -> dict[str, float | int]:
    """llama-server's figures: `prompt_n` leaves out the tokens that were in its cache."""
    found: dict[str, float | int] = {}
    if (count := timings.get("predicted_n")) is not None:
        found["answer_tokens"] = int(count)
        # Of one token alone the engine's rate is no measure.
        if count > 1 and (spent := timings.get("predicted_ms")):
            found["rate"] = count / spent * _MILLISECONDS
    if (prompt := timings.get("prompt_n")) is not None:
        found["prompt_tokens"] = int(prompt + timings.get("cache_n", 0))
    return found


@dataclass(frozen=True)
class Gauge:
    """How full the context is, in tokens. `used` is None until a model has counted."""

    used: int | None
    room: int | None

    @property
    def part(self) -> float | None:
        """0 to 1, None when unknown."""
        return None if self.used is None or not self.room else min(self.used / self.room, 1.0)


def gauge(path: list[Message], room: int | None) -> Gauge:
    """The context that a branch fills, as the engine counted it at its last answer."""
    for message in reversed(path):
        used = message.figures
        if used.prompt_tokens is not None:
            return Gauge(used.prompt_tokens + (used.answer_tokens or 0), room)
    return Gauge(None if path else 0, room)
