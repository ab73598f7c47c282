"""PURE: the messages of a conversation as a tree; one path from its root is shown, the other branches are kept."""

from collections.abc import Iterable

from app.ui.chat.records import Author, Message


class Tree:
    """The messages of one conversation, siblings in the order in which they were added."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages: dict[str, Message] = {}
        self._children: dict[str | None, list[str]] = {}
        for message in messages:
            self.put(message)

    def __len__(self) -> int:
        return len(self._messages)

    def __contains__(self, message: object) -> bool:
        return message in self._messages

    def put(self, message: Message) -> None:
        """Add a message, or replace the one with its id."""
        if message.id not in self._messages:
            self._children.setdefault(message.parent, []).append(message.id)
        self._messages[message.id] = message

    def get(self, message: str) -> Message:
        """A message by its id. Raises KeyError."""
        return self._messages[message]

    def path(self, leaf: str | None) -> list[Message]:
        """The messages from the first to `leaf`. A loop or a missing parent, as a damaged file may hold, ends it."""
        found: dict[str, Message] = {}
        while leaf is not None and leaf in self._messages and leaf not in found:
            found[leaf] = self._messages[leaf]
            leaf = found[leaf].parent
        return list(found.values())[::-1]

    def siblings(self, message: str) -> list[str]:
        """The versions of a message, itself included: those with the same parent and author."""
        one = self._messages[message]
        return [each for each in self._children[one.parent] if self._messages[each].author is one.author]

    def place(self, message: str) -> tuple[int, int]:
        """Which version of how many a message is, counted from 1."""
        versions = self.siblings(message)
        return versions.index(message) + 1, len(versions)

    def leaf_below(self, message: str | None) -> str | None:
        """The end of the newest branch below a message; below None, of the whole conversation."""
        while children := self._children.get(message):
            message = children[-1]
        return message

    def turned(self, message: str, step: int) -> str | None:
        """The leaf to show when the version `step` further is chosen; the first and the last one are ends."""
        versions = self.siblings(message)
        index = min(max(versions.index(message) + step, 0), len(versions) - 1)
        return self.leaf_below(versions[index])

    def below(self, message: str) -> list[str]:
        """A message and all that follow it, on every branch."""
        found = [message]
        for each in found:
            found.extend(self._children.get(each, ()))
        return found

    def without(self, message: str) -> tuple["Tree", str | None]:
        """The tree without a message and all below it, and the leaf to show then: a sibling's, or the parent's."""
        gone = set(self.below(message))
        versions = [each for each in self.siblings(message) if each != message]
        rest = Tree(each for each in self._messages.values() if each.id not in gone)
        parent = self._messages[message].parent
        return rest, rest.leaf_below(versions[-1]) if versions else rest.leaf_below(parent) or parent

    def all(self) -> tuple[Message, ...]:
        """Every message, in the order in which they were added."""
        return tuple(self._messages.values())


def last_question(path: list[Message]) -> Message | None:
    """The last message of the user on a path."""
    return next((each for each in reversed(path) if each.author is Author.USER), None)
