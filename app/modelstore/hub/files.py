"""PURE: which files of a repository are one model, what each is called, and which one somebody means."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from app.modelstore.gguf import part_name
from app.modelstore.naming import is_projector_name, model_family, projector_family, projector_preference
from app.schema.download import HubFile, HubPart
from app.schema.errors import HubFileNotFound
from app.schema.quantization import quantization_in

_NOT_MODELS = ("imatrix",)


def group_files(parts: Iterable[HubPart]) -> tuple[HubFile, ...]:
    """The models and projectors among a repository's files, smallest first. A model that lacks a part is left out."""
    groups: dict[tuple[str, int], list[HubPart]] = defaultdict(list)
    for part in parts:
        split = part_name(PurePosixPath(part.path).name)
        groups[file_name(part.path), split.total if split else 0].append(part)
    found = (_file(name, total, members) for (name, total), members in groups.items())
    return tuple(
        sorted((each for each in found if each is not None), key=lambda file: (file.size_bytes or 0, file.name))
    )


def file_name(path: str) -> str:
    """What the file at a path is called: `Q4/a-00001-of-00002.gguf` is `Q4/a`."""
    folder, slash, name = path.rpartition("/")
    split = part_name(name)
    return f"{folder}{slash}{split.stem if split else name[: -len('.gguf')]}"


def _file(name: str, total: int, members: list[HubPart]) -> HubFile | None:
    members.sort(key=lambda part: part.path)
    numbers = [found.number for part in members if (found := part_name(PurePosixPath(part.path).name))]
    if (total and numbers != list(range(1, total + 1))) or any(each in name.lower() for each in _NOT_MODELS):
        return None
    place = PurePosixPath(name)
    return HubFile(
        name=name,
        quantization=quantization_in(place.name) or quantization_in(place.parent.name),
        size_bytes=sum(part.size_bytes for part in members),
        parts=tuple(members),
        is_projector=is_projector_name(place.name),
    )


def find_file(files: Sequence[HubFile], wanted: str) -> HubFile:
    """The model that is meant by a name, a file's path or a quantization; case does not matter.

    Raises HubFileNotFound that names what there is.
    """
    folded = wanted.strip().casefold()
    bare = folded.removesuffix(".gguf")
    tests: tuple[Callable[[HubFile], bool], ...] = (
        lambda file: file.name.casefold() == bare,
        lambda file: any(part.path.casefold() == folded for part in file.parts),
        lambda file: (file.quantization or "").casefold() == folded,
        lambda file: (file.quantization or "").casefold().removeprefix("ud-") == folded,
        lambda file: PurePosixPath(file.name).name.casefold() == bare,
    )
    for test in tests:
        found = [file for file in files if test(file)]
        if found:
            return found[0]
    known = ", ".join(dict.fromkeys(file.quantization or file.name for file in files)) or "nothing that Caravan can run"
    raise HubFileNotFound(f"The repository has no {wanted}.", f"It has {known}.")


def projector_for(file: HubFile, projectors: Sequence[HubFile]) -> HubFile | None:
    """The projector that lets a model see: named after its family, else one that names none; the handiest type."""
    family = model_family(PurePosixPath(file.name).name)
    named = [(projector_family(PurePosixPath(each.name).name), each) for each in projectors if len(each.parts) == 1]
    mine = [each for spoken, each in named if spoken and (family.startswith(spoken) or spoken.startswith(family))]
    chosen = mine or [each for spoken, each in named if not spoken]
    return min(chosen, key=lambda each: (projector_preference(each.name), each.name), default=None)
