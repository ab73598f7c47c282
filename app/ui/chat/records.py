"""What a conversation is made of: records that are kept, exported and imported."""

import time
import uuid
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.schema.errors import ErrorInfo
from app.schema.record import Record


class Author(StrEnum):
    """Who wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"


class Stop(StrEnum):
    """Why an answer ended. `interrupted` is an answer whose writer vanished: the program or the PC went down."""

    END = "end"
    LIMIT = "limit"
    CONTEXT = "context"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class AttachmentKind(StrEnum):
    """How an attachment reaches the model."""

    TEXT = "text"
    IMAGE = "image"


class Attachment(Record):
    """A file that goes with a message. `content` is the text itself, or the image in base64."""

    name: str
    kind: AttachmentKind
    content: str
    media_type: str = "text/plain"


class Figures(Record):
    """What was measured while an answer was made. `rate` is tokens/s, times are seconds, counts are tokens."""

    rate: float | None = None
    first_word: float | None = None
    answer_tokens: int | None = None
    prompt_tokens: int | None = None
    thinking: float | None = None


class Sampling(Record):
    """How the next token is chosen. None leaves it to the model; `thinking` likewise."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] | None = None
    thinking: bool | None = None


class Message(Record):
    """One message of the tree. `parent` is None for the first of a conversation; `stop` is None while it is written."""

    id: str
    conversation: str
    parent: str | None = None
    author: Author
    text: str = ""
    reasoning: str = ""
    attachments: tuple[Attachment, ...] = ()
    model: str | None = None
    figures: Figures = Figures()
    stop: Stop | None = None
    error: ErrorInfo | None = None
    created_at: float


class Conversation(Record):
    """A conversation without its messages. `leaf` is the last message of the branch that is shown. Times: epoch."""

    id: str
    title: str
    pinned: bool = False
    model: str | None = None
    system_prompt: str = ""
    sampling: Sampling = Sampling()
    leaf: str | None = None
    created_at: float
    updated_at: float


class Preset(Record):
    """A system prompt by its name."""

    name: str
    prompt: str


class Archived(Record):
    """A conversation with all its messages, every branch: what is exported and imported."""

    conversation: Conversation
    messages: tuple[Message, ...]


def new_id() -> str:
    """An id that no other conversation or message has."""
    return uuid.uuid4().hex


def new_conversation(title: str, model: str | None = None) -> Conversation:
    """An empty conversation, made now."""
    now = time.time()
    return Conversation(id=new_id(), title=title, model=model, created_at=now, updated_at=now)
