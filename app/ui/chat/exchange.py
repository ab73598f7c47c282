"""PURE: conversations as Markdown to read and as JSON to keep, and JSON back again."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from app.schema.errors import InputError
from app.ui.chat.records import Archived, Author, Conversation, Message, new_id
from app.ui.chat.tree import Tree

FORMAT = "caravan-conversations"
FORMAT_VERSION = 1

_ALL: TypeAdapter[tuple[Archived, ...]] = TypeAdapter(tuple[Archived, ...])


def as_json(archived: Iterable[Archived]) -> str:
    """Every branch of every conversation, for `from_json`."""
    content = [each.model_dump(mode="json") for each in archived]
    return json.dumps(
        {"format": FORMAT, "version": FORMAT_VERSION, "conversations": content}, ensure_ascii=False, indent=1
    )


def from_json(text: str) -> tuple[Archived, ...]:
    """What `as_json` wrote, with ids of its own, so that an import never overwrites. Raises InputError."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError("This file holds no conversations of Caravan.", "Choose one that Caravan exported.")
        if int(content.get("version", 0)) > FORMAT_VERSION:
            raise InputError("A newer Caravan exported this file.", "Update Caravan, then import it again.")
        return tuple(_renamed(each) for each in _ALL.validate_python(content["conversations"]))
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise InputError(
            "This file cannot be read as conversations.", "Is it whole? Export it again.", (str(error),)
        ) from error


def copied(archived: Archived, title: str) -> Archived:
    """The same conversation once more, with ids of its own."""
    made = _renamed(archived)
    return made.model_copy(update={"conversation": made.conversation.model_copy(update={"title": title})})


def as_markdown(archived: Archived, names: Callable[[Message], str]) -> str:
    """The branch that is shown, as a page to read. `names` says who wrote a message."""
    conversation = archived.conversation
    made = datetime.fromtimestamp(conversation.created_at).astimezone()
    parts = [f"# {conversation.title}", made.strftime("%Y-%m-%d %H:%M")]
    if conversation.system_prompt:
        parts.append(_quoted(conversation.system_prompt))
    for message in Tree(archived.messages).path(conversation.leaf):
        parts += [f"## {names(message)}", *_attached(message), message.text]
        if message.author is Author.ASSISTANT and message.model:
            parts.append(f"*{message.model}*")
    return "\n\n".join(part for part in parts if part) + "\n"


def _attached(message: Message) -> list[str]:
    return ["\n".join(f"- {each.name}" for each in message.attachments)]


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _renamed(archived: Archived) -> Archived:
    """The same under new ids; what points to a message that is not there points to nothing."""
    ids = {each.id: new_id() for each in archived.messages}
    home = new_id()
    messages = tuple(
        each.model_copy(update={"id": ids[each.id], "conversation": home, "parent": ids.get(each.parent or "")})
        for each in archived.messages
    )
    leaf = ids.get(archived.conversation.leaf or "") or Tree(messages).leaf_below(None)
    conversation: Conversation = archived.conversation.model_copy(update={"id": home, "leaf": leaf})
    return Archived(conversation=conversation, messages=messages)
