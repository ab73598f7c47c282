"""`caravan settings`: what this PC's node is set to, and the way to change it."""

import difflib
import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from app.cli.console import Session, run, session, show_json
from app.cli.facts import AsJson
from app.schema.errors import InputError
from app.schema.settings import READ_AT_START, Settings

DEFAULT = "default"
"""What stands for a setting's default on the command line."""

FOLDERS = "model_folders"

_NAMES = tuple(Settings.model_fields)


def settings(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Which setting; all when left out.")] = None,
    value: Annotated[
        str | None, typer.Argument(help="Its new value: a text, a number, true, false, a JSON list, or `default`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What this PC's node is set to; with a name and a value it is changed."""
    to = session(context)

    async def work() -> None:
        known = checked_name(name) if name is not None else None
        async with to.client() as client:
            now = await client.settings()
            if known is not None and value is not None:
                typed = folder_list(value) if known == FOLDERS else value
                now = await client.change_settings(changed(now, known, typed))
        shown = _NAMES if known is None else (known,)
        if as_json:
            show_json({each: now.model_dump(mode="json")[each] for each in shown})
            return
        _show(to, now, shown)
        if value is not None and known in READ_AT_START:
            to.say("This counts after the node has started again: `caravan node --stop`, then `caravan node`.")

    run(to, work, as_json)


def checked_name(name: str) -> str:
    """A setting's name, with `-` or `_`. Raises InputError that names those that look alike."""
    wanted = name.strip().lower().replace("-", "_")
    if wanted in _NAMES:
        return wanted
    near = difflib.get_close_matches(wanted, _NAMES, n=2)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`caravan settings` lists them."
    raise InputError(f"There is no setting {name!r}.", hint)


def changed(now: Settings, name: str, text: str) -> Settings:
    """PURE: the settings with another value of one field. Raises InputError when the text is no value for it."""
    if text == DEFAULT:
        return now.model_copy(update={name: getattr(Settings(), name)})
    try:
        read = Settings.model_validate({name: _value(text)})
    except ValidationError as error:
        try:
            read = Settings.model_validate({name: text})
        except ValidationError:
            raise _misfit(name, text, error.errors()[0]["msg"]) from None
    return now.model_copy(update={name: getattr(read, name)})


def folder_list(text: str) -> str:
    """One folder, as people type it, as the JSON list that the setting is; a list and `default` stay as they are.

    A relative one counts from here: the node runs elsewhere.
    """
    if text == DEFAULT or isinstance(_value(text), list):
        return text
    return json.dumps([str(Path(text).expanduser().absolute())])


def _misfit(name: str, text: str, told: str) -> InputError:
    if isinstance(getattr(Settings(), name), tuple):
        hint = f"""Write a list, for example '["--temp", "0.7"]', or `{DEFAULT}`."""
        return InputError(f"{text!r} does not fit {name}: it is a list of texts.", hint)
    return InputError(f"{text!r} does not fit {name}: {told}.", f"Or set it to `{DEFAULT}`.")


def _value(text: str) -> object:
    """What JSON makes of it, else the text itself: a name or a path needs no quotes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _show(to: Session, now: Settings, names: tuple[str, ...]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    values = now.model_dump(mode="json")
    defaults = Settings().model_dump(mode="json")
    for name in names:
        note = "" if values[name] == defaults[name] else f"default: {_text(defaults[name])}"
        table.add_row(name, _text(values[name]), note)
    to.out.print(table)


def _text(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
