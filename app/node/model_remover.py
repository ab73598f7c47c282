"""Deletes a model from Caravan's own folder: never another program's file, never one that is in use."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from app.node.library import Library
from app.schema.errors import ModelInUse, ModelKept, ModelNotOurs
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.model import ModelFile
from app.schema.node import Status
from app.schema.record import ModelId
from app.system.files import plain_reason

_ENDED = (InstanceState.STOPPED, InstanceState.FAILED)


class ModelRemover:
    """`models` is Caravan's own folder, `is_arriving` tells whether a download that goes on has a file at a place."""

    def __init__(
        self, models: Path, library: Library, status: Callable[[], Status], is_arriving: Callable[[Path], bool]
    ) -> None:
        self._models = models
        self._library = library
        self._status = status
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
        if user := user_of(model, self._status().instances):
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
    own = os.path.normcase(os.path.realpath(folder))
    parts = [os.path.normcase(os.path.realpath(Path(part).parent)) for part in model.parts]
    return bool(parts) and all(part == own or part.startswith(own + os.sep) for part in parts)


def user_of(model: ModelFile, instances: tuple[InstanceStatus, ...]) -> str | None:
    """PURE: the instance of this PC that uses a model, also to guess for another; None when none does."""
    for each in instances:
        guessing = each.plan.speculation
        used = (each.plan.model_id, guessing.draft_model if guessing else None)
        if each.state not in _ENDED and model.id in used:
            return each.model_id
    return None


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
