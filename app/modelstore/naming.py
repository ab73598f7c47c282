"""Pure decisions about names: which files form one model, what it is called, which projector belongs to it."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from app.modelstore.gguf import part_name
from app.modelstore.walk import FoundFile
from app.schema.quantization import without_quantization

_SEPARATORS: Final = "-._ "
_PROJECTOR_ORDER: Final = ("f16", "fp16", "bf16", "q8_0", "f32", "fp32")
_MAX_PARENTS: Final = 12


class Group(NamedTuple):
    """The files of one model, in order, and the name it has before clashes are resolved."""

    name: str
    files: tuple[FoundFile, ...]

    @property
    def path(self) -> Path:
        """The file to hand to the engine."""
        return self.files[0].path


def base_name(file_name: str) -> str:
    """`model-00001-of-00003.gguf` and `model.gguf` are both `model`."""
    part = part_name(file_name)
    return part.stem if part else file_name[: -len(".gguf")] if file_name.lower().endswith(".gguf") else file_name


def group_parts(files: Iterable[FoundFile]) -> list[Group]:
    """Put the parts of split files together. The same real files found by several ways are one group: the way without
    links, else the first.
    """
    groups: dict[tuple[Path, str, int], list[FoundFile]] = defaultdict(list)
    for file in files:
        part = part_name(file.path.name)
        groups[file.path.parent, base_name(file.path.name), part.total if part else 0].append(file)
    unique: dict[tuple[str, ...], Group] = {}
    for (_, name, _), members in groups.items():
        members.sort(key=lambda file: file.path.name)
        group, key = Group(name, tuple(members)), tuple(file.real for file in members)
        if key not in unique or (_is_link(unique[key]) and not _is_link(group)):
            unique[key] = group
    return list(unique.values())


def _is_link(group: Group) -> bool:
    return any(os.path.normcase(file.path) != file.real for file in group.files)


def unique_ids(groups: Sequence[Group]) -> list[str]:
    """One id per group: its name, and for each of several of that name (case ignored) its folders as well.

    All that clash get the longer form, so an id never silently moves to another file. The result depends only on
    names and folders, except for a last `#2` where even whole paths clash.
    """
    depths = [0] * len(groups)
    for _ in range(_MAX_PARENTS):
        ids = [_id(group, depth) for group, depth in zip(groups, depths, strict=True)]
        counts = Counter(text.casefold() for text in ids)
        if max(counts.values(), default=1) == 1:
            return ids
        depths = [depth + (counts[text.casefold()] > 1) for text, depth in zip(ids, depths, strict=True)]
    return _numbered(ids)


def _id(group: Group, depth: int) -> str:
    if depth == 0:
        return group.name
    return f"{group.name}@{'/'.join(reversed(_folder_names(group.path.parent)[:depth]))}"


def _folder_names(folder: Path) -> list[str]:
    """Names from the inside out. In a Hugging Face cache the repository's name stands for the revision's."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        *_, owner, repository = ("", *folder.parent.parent.name.removeprefix("models--").split("--"))
        return [name for name in (repository, owner, folder.name) if name]
    return [name for name in (folder.name, *(parent.name for parent in folder.parents)) if name]


def _numbered(ids: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    result = []
    for text in ids:
        number, candidate = 1, text
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{text}#{number}"
        taken.add(candidate.casefold())
        result.append(candidate)
    return result


def is_projector_name(name: str) -> bool:
    """Projectors of multimodal models are called `mmproj...` by every tool."""
    return "mmproj" in name.casefold()


def model_family(name: str) -> str:
    """The name without its quantization, for comparing: `Gemma-3-4B-it-Q4_K_M` is `gemma-3-4b-it`."""
    return without_quantization(name.casefold()).strip(_SEPARATORS)


def projector_family(name: str) -> str:
    """The family that a projector's name speaks of; empty for `mmproj-F16` or `mmproj-model-f16`."""
    words = (part.strip(_SEPARATORS) for part in model_family(name).split("mmproj"))
    family = "-".join(word for word in words if word)
    return "" if family == "model" else family


def pair_projectors(models: Sequence[Group], projectors: Sequence[Group]) -> dict[Path, Path]:
    """Projector path by model path, within one folder. No pair where the names leave it open."""
    by_folder: dict[Path, list[Group]] = defaultdict(list)
    for projector in projectors:
        by_folder[projector.path.parent].append(projector)
    pairs: dict[Path, Path] = {}
    for folder, candidates in by_folder.items():
        members = [model for model in models if model.path.parent == folder]
        alone = len({model_family(model.name) for model in members}) == 1
        for model in members:
            chosen = _projector_for(model_family(model.name), candidates, alone)
            if chosen is not None:
                pairs[model.path] = chosen.path
    return pairs


def _projector_for(family: str, candidates: Sequence[Group], alone: bool) -> Group | None:
    """The candidate named after the family; else, when the folder holds one family alone, the only kind there is."""
    named = [one for one in candidates if _speaks_of(projector_family(one.name), family)]
    kinds = {projector_family(one.name) for one in candidates}
    chosen = named or (candidates if alone and len(kinds) == 1 else [])
    return min(chosen, key=lambda one: (projector_preference(one.name), one.name), default=None)


def _speaks_of(projector: str, family: str) -> bool:
    return bool(projector and family) and (family.startswith(projector) or projector.startswith(family))


def projector_preference(name: str) -> int:
    """How handy a projector's element type is, the best first: lower is better."""
    for rank, quantization in enumerate(_PROJECTOR_ORDER):
        if re.search(rf"(?:^|[-._]){quantization}$", name.casefold()):
            return rank
    return len(_PROJECTOR_ORDER)
