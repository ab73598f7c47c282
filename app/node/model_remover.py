"""Deletes a model from Caravan's own folder: never another program's file, never one that is in use."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from app.node.library import Library
from app.schema.errors import ModelInUse, ModelKept, ModelNotOurs
from app.schema.model import ModelFile
from app.schema.record import ModelId
from app.system.files import plain_reason


class ModelRemover:
    """`models` is Caravan's own folder, `in_use` are the files of what runs on this PC, each with the model that runs.

    `is_arriving` tells whether a download that goes on has a file at a place.
    """

    def __init__(
        self,
        models: Path,
        library: Library,
        in_use: Callable[[], Mapping[str, ModelId]],
        is_arriving: Callable[[Path], bool],
    ) -> None:
        self._models = models
        self._library = library
        self._in_use = in_use
        self._is_arriving = is_arriving

    async def remove(self, name: str) -> ModelId:
        """Delete a model with all its parts, and its projector when no other model needs it, nor one that arrives.

        Raises ModelNotFound, ModelNotOurs, ModelInUse, or ModelKept when the disk refuses.
        """
        model = await self._library.find(name)
        if not await asyncio.to_thread(is_below, self._models, model):
            raise ModelNotOurs(
                f"{model.id} is not in Caravan's own folder, so it is not deleted.",
                f"Delete it with the program that keeps it in {model.folder}.",
            )
        if user := await asyncio.to_thread(user_of, model, self._in_use()):
            raise ModelInUse(f"{model.id} is running: {user}.", "Stop it first: `caravan stop`.")
        if any(self._is_arriving(Path(part)) for part in model.parts):
            raise ModelInUse(f"{model.id} is being downloaded.", "Cancel the download, or wait for its end.")
        spare = spare_projector(model, self._library.models)
        doomed = (*model.parts, *(path for path in spare if not self._is_arriving(Path(path))))
        try:
            await asyncio.to_thread(_delete, self._models, doomed)
        except OSError as error:
            raise ModelKept(
                f"{model.id} cannot be deleted: {plain_reason(error)}.",
                "Close the program that holds it open, and try again.",
                (str(error),),
            ) from error
        finally:
            await self._library.rescan()
        return model.id


def is_below(folder: Path, model: ModelFile) -> bool:
    """Whether every part of a model really lies below a folder, links followed; blocking."""
    own = _real(folder)
    parts = [_real(Path(part).parent) for part in model.parts]
    return bool(parts) and all(part == own or part.startswith(own + os.sep) for part in parts)


def user_of(model: ModelFile, in_use: Mapping[str, ModelId]) -> ModelId | None:
    """The running model that needs a file of this one, links followed; None when none does. Blocking.

    Ids are not compared: that of a file changes when another of its name appears or goes.
    """
    own = {_real(part) for part in model.parts}
    return next((user for file, user in in_use.items() if _real(file) in own), None)


def _real(path: str | Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def spare_projector(model: ModelFile, models: tuple[ModelFile, ...]) -> tuple[str, ...]:
    """PURE: the projector that nobody needs once the model is gone."""
    projector = model.projector_path
    if projector is None or Path(projector).parent != Path(model.path).parent:
        return ()
    others = (each for each in models if each.path != model.path)
    return () if any(each.projector_path == projector for each in others) else (projector,)


def _delete(models: Path, paths: tuple[str, ...]) -> None:
    """The first part goes first: what is left after an error is not taken for a model."""
    for path in paths:
        Path(path).unlink(missing_ok=True)
    for folder in Path(paths[0]).parents:
        if folder == models or models not in folder.parents:
            return
        with contextlib.suppress(OSError):
            folder.rmdir()
