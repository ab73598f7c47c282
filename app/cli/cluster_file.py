"""A cluster described in a JSON file, to ask about PCs before they are bought.

`resources/examples/README.md` says what each field means; `cluster.json` beside it is an example. What is left out is
estimated.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.schema.errors import InputError
from app.schema.model import ModelPart
from app.schema.plan import CPU_DEVICE, ClusterView, DeviceResources, LinkMeasure, NodeResources
from app.schema.record import ModelId, NodeId

ENGINE = "described"
"""The engine build of every described PC: they all have the same."""

LARGEST_FILE = 1 << 20
EXAMPLE = "resources/examples in the source has one, and says what each field means."

_PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(B|bit/s|B/s|FLOP/s|FLOPS)?\s*", re.IGNORECASE)
_TIME = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|ms|us)\s*")
_LAYERS = re.compile(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?")
_MOST_LAYERS = 4096
_OUTPUT, _ALL = "output", "all"
_TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def _amount(unit: str) -> Callable[[Any], Any]:
    """A reader of numbers and of texts like `24 GB` or `1 Gbit/s`. Memory counts in 1024, rates in 1000."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = _AMOUNT.fullmatch(value)
        told = (found[3] or unit).upper().replace("FLOPS", "FLOP/S") if found else ""
        if found is None or (told != unit.upper() and not (unit == "B/s" and told == "BIT/S")):
            raise ValueError(f"{value!r} is no amount in {unit}; write for example {_SAMPLES[unit]!r}")
        prefix = found[2].upper()
        scale = float(1024 ** " KMGT".index(prefix or " ")) if unit == "B" else _PREFIXES[prefix]
        amount = float(found[1]) * scale / (8 if told == "BIT/S" else 1)
        # So many digits are infinite, which cannot be rounded; the largest number is refused as too large.
        return round(min(amount, sys.float_info.max)) if unit == "B" else amount

    return read


_SAMPLES = {"B": "24 GB", "B/s": "800 GB/s", "FLOP/s": "80 TFLOP/s"}


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = _TIME.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is no time; write for example '0.5 ms'")
    return float(found[1]) * _TIMES[found[2]]


def _parts(value: Any) -> Any:
    """`"all"`, or a list of layers as a plan prints them: `["0-15", "31", "output"]`."""
    if value == _ALL:
        return (_part(0, _MOST_LAYERS - 1, holds_output=True),)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError('layers are expected, for example ["0-15", "output"], or "all"')
    if len(value) > _MOST_LAYERS:
        raise ValueError("these are more entries than a model has layers")
    return tuple(_part(0, -1, holds_output=True) if each.strip() == _OUTPUT else _range(each) for each in value)


def _range(text: str) -> ModelPart:
    found = _LAYERS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} are no layers; write for example '0-15', '31' or 'output'")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError(f"{text!r} ends before it begins; write '{last}-{first}'")
    if last >= _MOST_LAYERS:
        raise ValueError(f"no model has a layer {last}; they are counted from 0")
    return _part(first, last)


def _part(first: int, last: int, *, holds_output: bool = False) -> ModelPart:
    """A part of the model that is asked about, whichever that is."""
    return ModelPart(
        model_id=ModelId(ENGINE),
        model_bytes=0,
        first_layer=first,
        last_layer=last,
        holds_output=holds_output,
        large_bytes=0,
    )


Parts = Annotated[tuple[ModelPart, ...], BeforeValidator(_parts)]
Memory = Annotated[int, BeforeValidator(_amount("B")), Field(ge=0, le=1 << 50)]
Rate = Annotated[float, BeforeValidator(_amount("B/s")), Field(ge=1000, lt=1e18)]
Compute = Annotated[float, BeforeValidator(_amount("FLOP/s")), Field(ge=1000, lt=1e21)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, lt=60)]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Described(BaseModel):
    """Unknown fields are mistakes here: a misspelt one would be silently estimated."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DescribedDevice(_Described):
    """A GPU, or the processor with its RAM as `CPU`. `repacked_*`: with weights that the engine rearranges for it.
    `prompt_bandwidth`: of each pass of a prompt, as `bandwidth` when left out. `step_compute`: of the tokens after the
    first of a step of a few, as `compute` when left out.
    """

    device: Name
    name: Name | None = None
    total: Memory
    free: Memory | None = None
    bandwidth: Rate | None = None
    compute: Compute | None = None
    prompt_bandwidth: Rate | None = None
    step_compute: Compute | None = None
    token: Seconds | None = None
    repacked_bandwidth: Rate | None = None
    repacked_compute: Compute | None = None
    repacked_prompt_bandwidth: Rate | None = None
    repacked_step_compute: Compute | None = None


class DescribedPc(_Described):
    """A PC. `holds_model`: its disk has the file, so it can be the head. `kept`: what it has of the model on its disk
    as a worker; empty when it will keep what it is sent, None when it never keeps anything.
    """

    name: Name
    holds_model: bool = False
    kept: Parts | None = None
    devices: Annotated[tuple[DescribedDevice, ...], Field(min_length=1, max_length=16)]


class DescribedLink(_Described):
    """The link between two PCs by their names; `throughput` is of each way."""

    between: tuple[Name, Name]
    round_trip: Seconds | None = None
    throughput: Rate | None = None


class DescribedCluster(_Described):
    """The whole file."""

    pcs: Annotated[tuple[DescribedPc, ...], Field(min_length=1, max_length=64)]
    links: Annotated[tuple[DescribedLink, ...], Field(max_length=2048)] = ()


def read_cluster(path: Path) -> ClusterView:
    """The cluster in a file. Raises InputError that names the place in it and what is expected there."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise InputError(f"{path} is too large for the description of a cluster.", EXAMPLE)
        return cluster_view(DescribedCluster.model_validate(json.loads(text)))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.", EXAMPLE) from error
    except ValidationError as error:
        raise InputError(f"{path} does not describe a cluster: {_first(error)}", EXAMPLE) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 or UTF-16. Save it as UTF-8.", EXAMPLE) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path} is not JSON: {error.msg.lower().removesuffix(' at')} at {place}.", EXAMPLE) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} describes no cluster: it is nested too deeply, or a number is too long.", EXAMPLE
        ) from error


_MEANINGS = {
    "model_type": "an object in braces is expected",
    "tuple_type": "a list in brackets is expected",
    "finite_number": "a number is expected",
    "int_type": "a number is expected",
    "missing": "this has to be there",
}


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    if found["type"] in _MEANINGS:
        found["msg"] = _MEANINGS[found["type"]]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).lstrip(".")
    meaning = (
        "there is no such field" if found["type"] == "extra_forbidden" else found["msg"].removeprefix("Value error, ")
    )
    return f"{where or 'the whole'}: {meaning}."


def cluster_view(described: DescribedCluster) -> ClusterView:
    """PURE: the cluster as the planner takes it; a PC's id is its name. Raises InputError for names that clash."""
    names = [pc.name for pc in described.pcs]
    for name in names:
        if sum(name.casefold() == each.casefold() for each in names) > 1:
            raise InputError(f"Two PCs in the file are named {name}.", "Give each PC a name of its own.")
    if not any(pc.holds_model for pc in described.pcs):
        raise InputError("No PC in the file holds the model.", 'Write "holds_model": true for at least one.')
    pairs = [frozenset(each.between) for each in described.links]
    twice = next((each.between for each in described.links if pairs.count(frozenset(each.between)) > 1), None)
    if twice is not None:
        raise InputError(f"The file has two links between {twice[0]} and {twice[1]}.", "Leave one of them out.")
    nodes = tuple(_node(pc) for pc in described.pcs)
    return ClusterView(
        this_node=nodes[0].node, nodes=nodes, links=tuple(_link(each, names) for each in described.links)
    )


def _node(pc: DescribedPc) -> NodeResources:
    named = [each.device.casefold() for each in pc.devices]
    twice = next((each.device for each in pc.devices if named.count(each.device.casefold()) > 1), None)
    if twice is not None:
        raise InputError(f"Two devices of {pc.name} are named {twice}.", "Number them: CUDA0, CUDA1.")
    return NodeResources(
        node=NodeId(pc.name),
        name=pc.name,
        holds_model=pc.holds_model,
        engine_build=ENGINE,
        devices=tuple(_device(pc, each) for each in pc.devices),
        kept=pc.kept,
    )


def _device(pc: DescribedPc, each: DescribedDevice) -> DeviceResources:
    free = each.total if each.free is None else each.free
    if free > each.total:
        raise InputError(f"{each.device} of {pc.name} has more memory free than in all.", "Check `free` and `total`.")
    is_cpu = _is_cpu(each)
    _check_repacked(pc, each)
    return DeviceResources(
        device=CPU_DEVICE if is_cpu else each.device,
        name=each.name or each.device,
        total_bytes=each.total,
        free_bytes=free,
        is_cpu=is_cpu,
        bandwidth=each.bandwidth,
        compute=each.compute,
        token_seconds=each.token,
        repacked_bandwidth=each.repacked_bandwidth,
        repacked_compute=each.repacked_compute,
        prompt_bandwidth=each.prompt_bandwidth,
        repacked_prompt_bandwidth=each.repacked_prompt_bandwidth,
        step_compute=each.step_compute,
        repacked_step_compute=each.repacked_step_compute,
    )


def _is_cpu(each: DescribedDevice) -> bool:
    return each.device.upper() == CPU_DEVICE


def _check_repacked(pc: DescribedPc, each: DescribedDevice) -> None:
    """Raises InputError for speeds with rearranged weights where the engine rearranges none, and for half of them."""
    told = (each.repacked_bandwidth, each.repacked_compute)
    if (*told, each.repacked_prompt_bandwidth, each.repacked_step_compute) == (None,) * 4:
        return
    if not _is_cpu(each):
        raise InputError(
            f"{each.device} of {pc.name} is given a speed with rearranged weights.",
            "llama.cpp rearranges them for a processor only: write `repacked_...` at CPU, or leave it out.",
        )
    if not all(_is_cpu(other) for other in pc.devices):
        raise InputError(
            f"{pc.name} has a GPU: llama.cpp rearranges no weights for the processor beside it.",
            "Leave all of `repacked_...` out there.",
        )
    if None in (*told, each.bandwidth, each.compute):
        raise InputError(
            f"{each.device} of {pc.name} has only part of what tells whether rearranged weights are faster.",
            "Give `bandwidth`, `compute`, `repacked_bandwidth` and `repacked_compute`, or nothing of `repacked_...`.",
        )
    for name in ("prompt_bandwidth", "step_compute"):
        if (getattr(each, name) is None) != (getattr(each, f"repacked_{name}") is None):
            raise InputError(
                f"{each.device} of {pc.name} has `{name}` for one kind of weights only.",
                f"Give both `{name}` and `repacked_{name}`, or neither: else the two kinds cannot be compared.",
            )


def _link(link: DescribedLink, names: list[str]) -> LinkMeasure:
    for name in link.between:
        if name not in names:
            raise InputError(f"A link names {name}, which is no PC of the file.", f"The PCs are {', '.join(names)}.")
    if link.between[0] == link.between[1]:
        raise InputError(f"A link goes from {link.between[0]} to itself.", "Name two PCs.")
    one, other = (NodeId(name) for name in link.between)
    return LinkMeasure(a=one, b=other, round_trip=link.round_trip, throughput=link.throughput, back=link.throughput)
