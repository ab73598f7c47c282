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
    if whole.is_dir():
        raise ModelNotFound(f"{path} is a folder.", "Name the .gguf file in it; of a model in parts, the first.")
    files = tuple(file for file in map(found_file, part_paths(whole)) if file is not None)
    if not files:
        raise ModelNotFound(f"There is no file {path}.", "Check the path; `caravan models` lists what was found.")
    group = Group(base_name(whole.name), files)
    groups = [group, *_beside(group.path)]
    # Of the others only those with a projector's name are read.
    others = [_read_group(each, read_shape) if is_projector_name(each.name) else Reading() for each in groups[1:]]
    readings = [_read_group(group, read_shape), *others]
    shapes = [(each.path, reading.shape) for each, reading in zip(groups, readings, strict=True)]
    encoders = {path: shape.encoder for path, shape in shapes if shape is not None and shape.encoder is not None}
    return _model_file(group.name, group, readings[0], _projectors(groups, readings), encoders)


def is_as_read(model: ModelFile) -> bool:
    """Whether a model's files lie there as when they were read, as far as size and time tell (blocking)."""
    files = [found_file(Path(part)) for part in model.parts]
    there = [file for file in files if file is not None]
    size, times = sum(file.size for file in there), [file.modified_ns / 1e9 for file in there]
    return len(there) == len(files) and (size, max(times)) == (model.size_bytes, model.modified)


def _beside(path: Path) -> list[Group]:
    """The other models in the folder of a file, projectors too (blocking)."""
    return [group for group in group_parts(Walk().gguf_files_in(path.parent)) if group.path != path]


def read_siblings(model: ModelFile) -> tuple[ModelFile, ...]:
    """The other models of its family in a model's own folder, by name (blocking); without their picture encoders."""
    family = model_family(model.id.partition("@")[0])
    others = [group for group in _beside(Path(model.path)) if model_family(group.name) == family]
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
    shapes = [(group, reading.shape) for group, reading in zip(groups, readings, strict=True)]
    models = [group for group, shape in shapes if not (shape.is_projector if shape else is_projector_name(group.name))]
    return pair_projectors(models, [group for group, shape in shapes if shape is not None and shape.is_projector])


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
