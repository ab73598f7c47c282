"""Remove secrets from text before it is written anywhere."""

import json
import re
from threading import Lock
from urllib.parse import quote

REMOVED = "[removed]"
"""What stands where a secret was."""

SHORTEST_SECRET = 4
"""Characters; a shorter value would tear holes into ordinary words and is not registered."""

_BEARER = re.compile(r"\b(bearer)\s+[A-Za-z0-9._~+/=\-]+", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]+-----")


class Secrets:
    """The values that must never be written: keys, tokens, pairing codes while they are valid. Safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Register a secret in its plain, JSON-escaped and URL-escaped spelling."""
        if len(value) >= SHORTEST_SECRET:
            self._change(self._values | {value})

    def discard(self, value: str) -> None:
        """Forget a secret that has become worthless, such as a used pairing code."""
        self._change(self._values - {value})

    def _change(self, values: set[str]) -> None:
        with self._lock:
            self._values = values
            spellings = sorted({form for value in values for form in _spellings(value)}, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, spellings))) if spellings else None

    def remove_from(self, text: str) -> str:
        """The text without any registered value."""
        pattern = self._pattern
        return pattern.sub(REMOVED, text) if pattern else text


def _spellings(value: str) -> tuple[str, ...]:
    return (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe=""))


class Redactor:
    """Removes registered secrets, bearer tokens and PEM blocks from text."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def clean(self, text: str) -> str:
        """The text as it may be written."""
        text = self._secrets.remove_from(text)
        if "-----BEGIN " in text:
            text = _PEM.sub(REMOVED, text)
        return _BEARER.sub(rf"\1 {REMOVED}", text)


class LineRedactor:
    """A redactor for one stream of lines: it also removes a PEM block that spans lines."""

    def __init__(self, secrets: Secrets) -> None:
        self._redactor = Redactor(secrets)
        self._in_pem = False

    def clean(self, line: str) -> str | None:
        """The line as it may be written, None inside a PEM block."""
        if self._in_pem:
            self._in_pem = not _PEM_END.search(line)
            return None
        opened = list(_PEM_BEGIN.finditer(line))
        self._in_pem = bool(opened) and not _PEM_END.search(line, opened[-1].end())
        return self._redactor.clean(line)
