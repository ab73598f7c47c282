"""PURE: a command line as one text -> a list of arguments, by the rules of either operating system."""

import re
import shlex

_BACKSLASHES_AND_QUOTE = re.compile(r'(\\*)(")?')


def split(text: str, *, windows: bool) -> tuple[str, ...]:
    """Split by the rules of the system. Raises ValueError for a quotation that does not end (POSIX only)."""
    return split_windows(text) if windows else tuple(shlex.split(text))


def split_windows(text: str) -> tuple[str, ...]:
    """Split as Windows programs do (`CommandLineToArgvW`): backslashes are literal unless they precede a quote."""
    arguments: list[str] = []
    current: list[str] = []
    quoted = started = False
    position = 0
    while position < len(text):
        character = text[position]
        if character in '\\"':
            slashes, quotes, position = _run(text, position)
            started = True
            current.append("\\" * (slashes // 2 if quotes else slashes))
            if quotes and slashes % 2:
                current.append('"')
            elif quotes:
                quoted = not quoted
            continue
        position += 1
        if character in " \t" and not quoted:
            if started:
                arguments.append("".join(current))
            current, started = [], False
        else:
            current.append(character)
            started = True
    return (*arguments, "".join(current)) if started else tuple(arguments)


def _run(text: str, position: int) -> tuple[int, bool, int]:
    """Number of backslashes here, whether a quote follows them, and the position after both."""
    found = _BACKSLASHES_AND_QUOTE.match(text, position)
    if found is None:
        return (0, False, position)
    return (len(found[1]), found[2] is not None, found.end())
