"""PURE: a typed line of extra arguments as a list, one item per argument."""

import re

_ITEM = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


def split_arguments(line: str) -> tuple[str, ...]:
    """`--threads 8 --alias "my model"` as a list. Quotes keep spaces; a backslash is itself, as in Windows paths."""
    return tuple(next(part for part in found if part) for found in _ITEM.findall(line) if any(found))


def arguments_text(arguments: tuple[str, ...]) -> str:
    """The arguments on one line, as `split_arguments` reads them."""
    return " ".join(_quoted(each) for each in arguments)


def _quoted(argument: str) -> str:
    if not any(sign.isspace() or sign in "\"'" for sign in argument):
        return argument
    return f"'{argument}'" if '"' in argument else f'"{argument}"'
