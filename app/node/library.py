"""The models of this node: scans in a thread, tells the bus, and finds a model by what people call it."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from app.modelstore.catalogue import Catalogue, is_as_read, read_model, read_siblings
from app.schema.errors import ModelNotFound
from app.schema.event import CatalogueChanged
from app.schema.model import ModelFile
from app.schema.node import CatalogueStatus

logger = logging.getLogger("caravan.node.library")

RESCAN_SECONDS = 60.0
"""Time between two looks at the folders; a warm scan of 500 files is short and reads no headers."""


class Library:
    """Owns the catalogue. `publish` hears of every finished scan that changed something."""

    def __init__(self, catalogue: Catalogue, folders: tuple[Path, ...], publish: Callable[[CatalogueChanged], None]):
        self._catalogue = catalogue
        self._publish = publish
        self._status = CatalogueStatus(folders=tuple(str(folder) for folder in folders))
        self._models: tuple[ModelFile, ...] = ()
        self._opened: dict[str, ModelFile] = {}
        self._scan = asyncio.Lock()
        self.scanned = asyncio.Event()

    @property
    def models(self) -> tuple[ModelFile, ...]:
        """The models of the last scan."""
        return self._models

    async def listed(self, name: str) -> ModelFile:
        """A model of the last scan by id or file name; no other file is opened. Raises ModelNotFound."""
        await self.scanned.wait()
        return self._catalogue.find(name)

    async def find(self, name: str) -> ModelFile:
        """A model by id, file name or path; a full path may lie outside the folders. Raises ModelNotFound."""
        await self.scanned.wait()
        try:
            # A path is made absolute for it, which asks the disk.
            return await asyncio.to_thread(self._catalogue.find, name)
        except ModelNotFound:
            if name in self._opened:
                return await self._opened_again(name)
            if not Path(name).is_absolute():
                raise
        return await self._open(Path(name))

    async def _opened_again(self, name: str) -> ModelFile:
        """A model that was opened by its path, read anew when its file is another by now. Raises ModelNotFound."""
        known = self._opened[name]
        return known if await asyncio.to_thread(is_as_read, known) else await self._open(Path(known.path))

    def same(self, model: ModelFile) -> ModelFile | None:
        """This very file as it lies on this PC, as far as name and size tell; None when it is not here."""
        known = (*self._models, *self._opened.values())
        return next((each for each in known if each.is_same(model)), None)

    def siblings(self, model: ModelFile) -> tuple[ModelFile, ...]:
        """The other quantizations beside a model that was given by its path (blocking); none for all other models."""
        return read_siblings(model) if self._opened.get(model.id) == model else ()

    async def _open(self, path: Path) -> ModelFile:
        model = await asyncio.to_thread(read_model, path)
        taken = {each.id for each in self._models} | {
            each.id for each in self._opened.values() if each.path != model.path
        }
        if model.id in taken:
            model = model.model_copy(update={"id": f"{model.id}@{path.parent.name}"})
        self._opened[model.id] = model
        return model

    async def run(self) -> None:
        """Scan at once and then regularly, until cancelled."""
        while True:
            await self.rescan()
            await asyncio.sleep(RESCAN_SECONDS)

    async def rescan(self) -> tuple[ModelFile, ...]:
        """Look at the folders now; returns what was found."""
        async with self._scan:
            self._tell(scanning=True)
            try:
                models = await asyncio.to_thread(self._catalogue.scan)
            finally:
                self._tell(scanning=False)
            if models != self._models or not self.scanned.is_set():
                self._models = models
                unreadable = sum(model.problem is not None for model in models)
                self._tell(models=len(models), unreadable=unreadable, revision=self._status.revision + 1)
            self.scanned.set()
            return models

    def _tell(self, **changes: object) -> None:
        self._status = self._status.model_copy(update=changes)
        self._publish(CatalogueChanged(catalogue=self._status))
