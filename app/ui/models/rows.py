"""PURE: the models of the cluster as rows: made, searched, filtered and sorted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PureWindowsPath

from app.schema.model import HeldModel, ModelFile, ModelShape
from app.schema.quantization import without_quantization
from app.schema.record import ModelId, NodeId
from app.ui.models import figures
from app.ui.models.pcs import Pc, name_of
from app.ui.models.places import Program, program_of, program_words
from app.ui.models.quantizations import meaning
from app.ui.models.verdicts import CHECKING, Fit, Verdict, unreadable
from app.ui.words import Phrase, tr, verbatim


@dataclass(frozen=True)
class Row:
    """One model as the list shows it. `key` tells it from all others; `found_by` is what a search looks in."""

    key: str
    held: HeldModel
    name: str
    parameters: str
    quantization: str | None
    meaning: Phrase | None
    size: Phrase
    place: Phrase
    program: Program
    verdict: Verdict
    found_by: str
    is_here: bool

    @property
    def model_id(self) -> ModelId:
        """What a plan request names."""
        return self.held.model.id

    @property
    def model(self) -> ModelFile:
        """The file."""
        return self.held.model

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""
        return self.model.projector_path is not None


class SortBy(StrEnum):
    """Orders of the list."""

    NAME = "name"
    SIZE = "size"
    SPEED = "speed"
    DATE = "date"


class FitFilter(StrEnum):
    """What verdicts are shown."""

    ALL = "all"
    FITS = "fits"
    HERE = "here"
    NOT = "not"


@dataclass(frozen=True)
class Wish:
    """What the person wants to see. `place` is a node id or a `Program`; None is everywhere."""

    text: str = ""
    place: str | None = None
    fit: FitFilter = FitFilter.ALL
    sort: SortBy = SortBy.NAME

    @property
    def narrows(self) -> bool:
        """Whether anything is hidden by it."""
        return bool(self.text.strip()) or self.place is not None or self.fit is not FitFilter.ALL


def make_rows(held: Iterable[HeldModel], pcs: tuple[Pc, ...], verdicts: Mapping[str, Verdict]) -> tuple[Row, ...]:
    """A row for every model that can be talked to: picture encoders come with the model they belong to."""
    shown = (each for each in held if each.model.shape is None or not each.model.shape.is_projector)
    return tuple(_row(each, pcs, verdicts.get(row_key(each))) for each in shown)


def row_key(held: HeldModel) -> str:
    """A model file as the cluster tells them apart: by name and size."""
    return f"{held.model.id}\n{held.model.size_bytes}"


def judged(row: Row, verdict: Verdict) -> Row:
    """The row with another verdict."""
    return replace(row, verdict=verdict)


def chosen(rows: Iterable[Row], wish: Wish) -> list[Row]:
    """The rows that a wish leaves, in its order."""
    words = wish.text.casefold().split()
    kept = [row for row in rows if all(word in row.found_by for word in words) and _passes(row, wish)]
    return sorted(kept, key=_ORDERS[wish.sort])


def places(rows: Sequence[Row], pcs: tuple[Pc, ...]) -> tuple[tuple[str, Phrase], ...]:
    """The PCs and programs that hold any model, as the place filter offers them."""
    holders = {node for row in rows for node in row.held.holders}
    programs = {row.program: program_words(row.program, row.model.folder) for row in rows}
    named = [(pc.node, tr("on {pc}", pc=pc.name)) for pc in pcs if pc.node in holders]
    own = [
        (str(each), tr("in {program}", program=programs[each]))
        for each in Program
        if each in _NAMED and each in programs
    ]
    return (*(named if len(named) > 1 else ()), *own)


def facts(row: Row) -> Phrase:
    """The quiet line of a row: `32.8B · Q4_K_M recommended · 19.8 GB · Ollama on WORKSHOP`."""
    quantization = row.quantization or ""
    kind = tr("{name} {meaning}", name=quantization, meaning=row.meaning) if row.meaning else quantization
    known = [
        row.parameters if row.model.shape else "",
        kind,
        row.size,
        row.place,
    ]
    filled = {f"part{number}": part for number, part in enumerate(part for part in known if part)}
    return Phrase(" · ".join(f"{{{name}}}" for name in filled), tuple(filled.items()))


_NAMED = (Program.OLLAMA, Program.LM_STUDIO, Program.HUGGING_FACE, Program.LLAMA_CPP, Program.CARAVAN)


def _passes(row: Row, wish: Wish) -> bool:
    if wish.place is not None and wish.place != row.program and wish.place not in row.held.holders:
        return False
    if wish.fit is FitFilter.FITS:
        return row.verdict.fit.fits
    if wish.fit is FitFilter.HERE:
        return row.verdict.fit is Fit.HERE
    return wish.fit is FitFilter.ALL or not (row.verdict.fit.fits or row.verdict.fit is Fit.CHECKING)


def _by_name(row: Row) -> tuple[object, ...]:
    return row.name.casefold(), row.model.size_bytes, row.key


_ORDERS: dict[SortBy, Callable[[Row], tuple[object, ...]]] = {
    SortBy.NAME: _by_name,
    SortBy.SIZE: lambda row: (-row.model.size_bytes, *_by_name(row)),
    SortBy.SPEED: lambda row: (-(row.verdict.speed or 0.0), *_by_name(row)),
    SortBy.DATE: lambda row: (-row.model.modified, *_by_name(row)),
}


def _row(held: HeldModel, pcs: tuple[Pc, ...], verdict: Verdict | None) -> Row:
    model, program = held.model, program_of(held.model)
    name = "Caravan demo" if program is Program.BUILT_IN and model.id == "caravan-demo" else display_name(model.id)
    place, quantization = _place(held, program, pcs), _quantization(model)
    return Row(
        key=row_key(held),
        held=held,
        name=name,
        parameters=_parameters(model.shape),
        quantization=quantization,
        meaning=meaning(quantization),
        size=figures.size(model.size_bytes),
        place=place,
        program=program,
        verdict=unreadable(model) or verdict or CHECKING,
        found_by=_found_by(held, name, str(place), quantization),
        is_here=any(pc.is_this and pc.node in held.holders for pc in pcs),
    )


def display_name(model_id: ModelId) -> str:
    """`Qwen3-32B-Q4_K_M` is `Qwen3 32B`; the folders of a name that two files share stay, in brackets."""
    if model_id.lower().endswith(".gguf"):
        # A path: the file was dropped on the page, and the node has not named it yet.
        return display_name(ModelId(PureWindowsPath(model_id).stem))
    name, _, folders = model_id.partition("@")
    plain = " ".join(without_quantization(name).replace("_", " ").replace("-", " ").split()) or name
    return f"{plain} ({folders})" if folders else plain


def _quantization(model: ModelFile) -> str | None:
    return model.shape.quantization if model.shape else None


def _parameters(shape: ModelShape | None) -> str:
    if shape is None:
        return str(figures.UNKNOWN)
    return shape.size_label or figures.parameters(shape.parameters)


def _place(held: HeldModel, program: Program, pcs: tuple[Pc, ...]) -> Phrase:
    words = program_words(program, held.model.folder)
    if program is Program.BUILT_IN:
        return words
    here = next((pc for pc in pcs if pc.is_this), None)
    if here is not None and held.holders == (here.node,):
        return tr("{program}, this PC", program=words)
    names: list[NodeId] = sorted(held.holders, key=lambda node: here is None or node != here.node)
    if len(names) > 2:
        return tr("{program}, {count} PCs", program=words, count=len(names))
    return tr("{program}, {pcs}", program=words, pcs=_joined([name_of(pcs, node) for node in names]))


def _joined(names: Sequence[str]) -> Phrase:
    return tr("{one} and {other}", one=names[0], other=names[1]) if len(names) == 2 else verbatim(", ".join(names))


def _found_by(held: HeldModel, name: str, place: str, quantization: str | None) -> str:
    shape = held.model.shape
    more = (shape.name, shape.architecture, shape.size_label) if shape else ()
    return " ".join(part for part in (name, held.model.id, place, quantization, *more) if part).casefold()
