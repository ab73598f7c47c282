"""PURE: what a person types as values of `Settings`, and back."""

from urllib.parse import urlsplit

from app.schema.settings import Settings
from app.ui.models.arguments import split_arguments
from app.ui.words import Phrase, tr

LONGEST_NAME = 60
LONGEST_ADDRESS = 500
MOST_THREADS = 1024

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

DEFAULTS = Settings()


class Unfit(Exception):
    """What was typed cannot be a value. `words` say why, for the person who typed it."""

    def __init__(self, words: Phrase) -> None:
        super().__init__(str(words))
        self.words = words


def read_name(text: str) -> str | None:
    """A name of this PC; nothing typed is None, the computer's own. Raises Unfit."""
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME:
        raise Unfit(
            tr("A name has at most {most} characters; this one has {count}.", most=LONGEST_NAME, count=len(name))
        )
    return name or None


def read_path(text: str) -> str | None:
    """A path as it was typed or pasted, without the quotes that Explorer's "Copy as path" adds; nothing is None."""
    return text.strip().strip('"').strip() or None


def read_threads(text: str) -> int | None:
    """CPU threads, 1..1024; nothing is None, the engine's choice. Raises Unfit."""
    typed = text.strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and 1 <= int(typed[:6]) <= MOST_THREADS):
        raise Unfit(tr("A number of threads is between 1 and {most}.", most=MOST_THREADS))
    return int(typed)


def read_mirror(text: str) -> str | None:
    """The address of a stand-in for another site; nothing is None. Raises Unfit."""
    typed = text.strip().rstrip("/")
    if not typed:
        return None
    if len(typed) > LONGEST_ADDRESS:
        raise Unfit(tr("An address has at most {most} characters.", most=LONGEST_ADDRESS))
    try:
        parts = urlsplit(typed)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in {"https", "http"}:
        raise Unfit(tr("This is no address. One begins with https:// and a host's name."))
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise Unfit(tr("Only https:// keeps what is downloaded safe from others on the way."))
    return typed


def read_arguments(text: str) -> tuple[str, ...]:
    """Arguments of llama-server as typed, quotes around what has spaces. Raises Unfit."""
    if text.count('"') % 2:
        raise Unfit(tr("A quotation mark is open: put another one at the end of the value."))
    return split_arguments(text)


def changed(settings: Settings, name: str) -> bool:
    """Whether this field is another than the default."""
    return bool(getattr(settings, name) != getattr(DEFAULTS, name))
