"""Finding one model among many by what a person would call it."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.modelstore.naming import base_name
from app.schema.errors import ModelNotFound
from app.schema.model import ModelFile

_SUGGESTIONS: Final = 3


def find_model(models: Sequence[ModelFile], name: str) -> ModelFile:
    """The model called `name`: an id, a file name (with or without `.gguf`), or a path; case does not matter.

    Raises ModelNotFound. Its hint names models with similar names, or all that `name` could mean when it is ambiguous.
    """
    wanted = name.strip()
    for candidates in (_by_id(models, wanted), _by_file_name(models, wanted), _by_path(models, wanted)):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise _ambiguous(wanted, candidates)
    raise _unknown(wanted, models)


def _by_id(models: Sequence[ModelFile], wanted: str) -> list[ModelFile]:
    """Ignoring case, which ids never differ in alone; else with the tag that Ollama takes for granted."""
    by_key = {model.id.casefold(): model for model in models}
    found = by_key.get(wanted.casefold()) or by_key.get(f"{wanted.casefold()}:latest")
    return [found] if found else []


def _by_file_name(models: Sequence[ModelFile], wanted: str) -> list[ModelFile]:
    folded = wanted.casefold()
    return [model for model in models if folded in _file_names(model)]


def _file_names(model: ModelFile) -> set[str]:
    names = {Path(part).name.casefold() for part in model.parts}
    return names | {base_name(name) for name in names} | {f"{base_name(name)}.gguf" for name in names}


def _by_path(models: Sequence[ModelFile], wanted: str) -> list[ModelFile]:
    if not any(separator in wanted for separator in (os.sep, "/")):
        return []
    path = _comparable(wanted)
    return [model for model in models if any(_comparable(part) == path for part in model.parts)]


def _comparable(path: str) -> str:
    """A full path is compared as it is written: the event loop may not wait for a disk."""
    full = os.path.expanduser(path)
    return os.path.normcase(os.path.normpath(full) if os.path.isabs(full) else os.path.abspath(full))


def _ambiguous(wanted: str, candidates: Sequence[ModelFile]) -> ModelNotFound:
    ids = ", ".join(model.id for model in candidates)
    return ModelNotFound(
        f"The name {wanted!r} fits {len(candidates)} models on this PC.",
        f"Use the full id of one of them: {ids}.",
        tuple(model.path for model in candidates),
    )


def _unknown(wanted: str, models: Sequence[ModelFile]) -> ModelNotFound:
    sentence = f"There is no model {wanted!r} on this PC."
    if not models:
        return ModelNotFound(sentence, "No GGUF file was found at all: add the folder that holds your models.")
    near = _near(wanted, models)
    if near:
        return ModelNotFound(sentence, f"Did you mean {' or '.join(near)}?")
    return ModelNotFound(sentence, "Look at the list of models, or add the folder that holds the file.")


def _near(wanted: str, models: Sequence[ModelFile]) -> list[str]:
    """Up to three ids: those that contain what was asked for, then those that look alike."""
    folded = wanted.casefold().removesuffix(".gguf")
    by_key: dict[str, str] = {model.id.casefold(): model.id for model in models}
    inside = [key for key in by_key if folded and folded in key]
    alike = difflib.get_close_matches(folded, by_key, n=_SUGGESTIONS, cutoff=0.5)
    return [by_key[key] for key in dict.fromkeys((*inside, *alike))][:_SUGGESTIONS]
