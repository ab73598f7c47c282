"""The catalogue: every GGUF model on this PC's disks, each with its shape or the reason it cannot be read."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from app.modelstore.gguf import part_paths, read_shape
from app.modelstore.lookup import find_model
from app.modelstore.naming import (
    Group,
    base_name,
    group_parts,
    is_projector_name,
    model_family,
    pair_projectors,
    unique_ids,
)
from app.modelstore.ollama import OllamaModel, ollama_models
from app.modelstore.shape_memory import Reading, ShapeMemory
from app.modelstore.walk import Walk, found_file
from app.schema.errors import CaravanError, ModelNotFound
from app.schema.model import EncoderShape, ModelFile, ModelShape
from app.schema.record import ModelId


class Catalogue:
    """The models below some folders, as of the last finished scan.

    `scan` blocks on the disk: run it in a thread, one at a time. `models` and `find` never touch the disk and may be
    used meanwhile: they see the last finished scan. What headers hold is remembered in `cache_folder`.
    """

    def __init__(
        self, folders: Sequence[Path], cache_folder: Path, read: Callable[[Path], ModelShape] = read_shape
    ) -> None:
        self._folders = tuple(folders)
        self._read = read
        self._memory = ShapeMemory(cache_folder)
        self._models: tuple[ModelFile, ...] = ()

    @property
    def models(self) -> tuple[ModelFile, ...]:
        """The result of the last finished scan, by id; empty before the first."""
        return self._models

    def find(self, name: str) -> ModelFile:
        """The model with this id, file name or path; see `find_model`. Raises ModelNotFound."""
        return find_model(self._models, name)

    def scan(self) -> tuple[ModelFile, ...]:
        """Look through the folders and read the headers that are new or changed (blocking).

        A folder or file that cannot be read never ends the scan: such a file is listed with its `problem`.
        """
        named = dict.fromkeys(model for folder in self._folders for model in ollama_models(folder))
        blobs, ollama_projectors = _ollama_groups(list(named))
        groups = [*group_parts(Walk().gguf_files(self._folders)), *blobs]
        readings = [self._reading(group) for group in groups]
        projectors = {**_projectors(groups, readings), **ollama_projectors}
        encoders = self._encoders(set(projectors.values()), groups, readings)
        self._memory.save()
        listed = zip(unique_ids(groups), groups, readings, strict=True)
        models = (_model_file(name, group, reading, projectors, encoders) for name, group, reading in listed)
        self._models = tuple(sorted(models, key=lambda model: model.id.casefold()))
        return self._models

    def _encoders(
        self, wanted: Iterable[Path], groups: Sequence[Group], readings: Sequence[Reading]
    ) -> dict[Path, EncoderShape]:
        """What the wanted projectors are, by path, as far as they can be read. Ollama's are in no group."""
        known = {group.path: reading for group, reading in zip(groups, readings, strict=True)}
        found = {}
        for path in sorted(wanted):
            file = found_file(path)
            reading = known.get(path) or (self._reading(Group(path.name, (file,))) if file is not None else None)
            if reading is not None and reading.shape is not None and reading.shape.encoder is not None:
                found[path] = reading.shape.encoder
        return found

    def _reading(self, group: Group) -> Reading:
        remembered = self._memory.recall(group)
        if remembered is not None:
            return remembered
        reading = _read_group(group, self._read)
        self._memory.keep(group, reading)
        return reading


def read_model(path: Path) -> ModelFile:
    """A model that lies outside the folders, with the picture encoder beside it; its id is its base name (blocking).

    Raises ModelNotFound when there is no such file; one that cannot be read has its `problem`.
    """
    whole = path.absolute()
    files = tuple(file for file in map(found_file, part_paths(whole)) if file is not None)
    if not files:
        raise ModelNotFound(f"There is no file {path}.", "Check the path; `caravan models` lists what was found.")
    group = Group(base_name(whole.name), files)
    reading = _read_group(group, read_shape)
    projector = _projector_beside(group) if reading.shape is not None and not reading.shape.is_projector else None
    if projector is None:
        return _model_file(group.name, group, reading, {}, {})
    path, shape = projector
    encoders = {path: shape.encoder} if shape.encoder is not None else {}
    return _model_file(group.name, group, reading, {group.path: path}, encoders)


def _projector_beside(model: Group) -> tuple[Path, ModelShape] | None:
    """The projector in a model's own folder that belongs to it and can be read; by names, as in a scan."""
    others = [each for each in group_parts(Walk().gguf_files_in(model.path.parent)) if each.path != model.path]
    models = [model, *(each for each in others if not is_projector_name(each.name))]
    named = [each for each in others if is_projector_name(each.name)]
    shapes = {each.path: shape for each in named if (shape := _read_group(each, read_shape).shape) is not None}
    projectors = [each for each in named if each.path in shapes and shapes[each.path].is_projector]
    path = pair_projectors(models, projectors).get(model.path)
    return (path, shapes[path]) if path is not None else None


def read_siblings(model: ModelFile) -> tuple[ModelFile, ...]:
    """The other models of its family in a model's own folder, by name (blocking); without their picture encoders."""
    family, own = model_family(model.id.partition("@")[0]), Path(model.path)
    groups = group_parts(Walk().gguf_files_in(own.parent))
    others = [group for group in groups if group.path != own and model_family(group.name) == family]
    return tuple(_model_file(group.name, group, _read_group(group, read_shape), {}, {}) for group in others)


def _read_group(group: Group, read: Callable[[Path], ModelShape]) -> Reading:
    try:
        return Reading(shape=read(group.path))
    except CaravanError as error:
        return Reading(problem=error.info())


def _ollama_groups(models: Sequence[OllamaModel]) -> tuple[list[Group], dict[Path, Path]]:
    """Groups of one blob each, and the projectors their manifests name; blobs that are not there are left out."""
    groups: list[Group] = []
    projectors: dict[Path, Path] = {}
    for model in models:
        file = found_file(model.blob)
        if file is not None:
            groups.append(Group(model.name, (file,)))
        if model.projector is not None and found_file(model.projector) is not None:
            projectors[model.blob] = model.projector
    return groups, projectors


def _projectors(groups: Sequence[Group], readings: Sequence[Reading]) -> dict[Path, Path]:
    """Projector by model. One that cannot be read, such as half a download, would only make the launch fail."""
    kinds = [
        reading.shape.is_projector if reading.shape else is_projector_name(group.name)
        for group, reading in zip(groups, readings, strict=True)
    ]
    whole = [reading.shape is not None for reading in readings]
    models = [group for group, projector in zip(groups, kinds, strict=True) if not projector]
    return pair_projectors(models, [group for group, *can in zip(groups, kinds, whole, strict=True) if all(can)])


def _model_file(
    name: str,
    group: Group,
    reading: Reading,
    projectors: dict[Path, Path],
    encoders: dict[Path, EncoderShape],
) -> ModelFile:
    projector = projectors.get(group.path)
    return ModelFile(
        id=ModelId(name),
        path=str(group.path),
        folder=str(group.path.parent),
        size_bytes=sum(file.size for file in group.files),
        modified=max(file.modified_ns for file in group.files) / 1e9,
        parts=tuple(str(file.path) for file in group.files),
        shape=reading.shape,
        problem=reading.problem,
        projector_path=str(projector) if projector else None,
        encoder=encoders.get(projector) if projector else None,
    )
