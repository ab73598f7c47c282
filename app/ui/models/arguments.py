"""PURE: a typed line of extra arguments as a list, one item per argument."""

import re

_ITEM = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


def split_arguments(line: str) -> tuple[str, ...]:
    """`--threads 8 --alias "my model"` as a list. Quotes keep spaces; a backslash is itself, as in Windows paths."""
    return tuple(next(part for part in found if part) for found in _ITEM.findall(line) if any(found))
