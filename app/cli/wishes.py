"""What a person may wish of a plan, as options of `caravan plan` and `caravan launch`."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from app.schema.errors import InputError
from app.schema.node import Status
from app.schema.plan import ClusterView, KvType, PlanRequest, Preference, Share
from app.schema.record import ModelId, NodeId

Pcs = Annotated[int | None, typer.Option(min=1, max=64, help="Use exactly this many PCs.")]
AtLeast = Annotated[int, typer.Option("--min-pcs", min=1, max=64, help="Use this many PCs or more.")]
Context = Annotated[int | None, typer.Option("--context", min=1, max=1 << 24, help="Tokens of context.")]
Slots = Annotated[int, typer.Option(min=1, max=64, help="Conversations at once; they share the context.")]
Prefer = Annotated[
    Preference | None,
    typer.Option(help="With several slots: one fast answer, or most tokens of all together (the default)."),
]
Kv = Annotated[KvType, typer.Option("--kv", help="Element type of the KV cache.")]
Head = Annotated[str | None, typer.Option(metavar="PC", help="This PC runs the model; its disk must have it.")]
Avoid = Annotated[list[str] | None, typer.Option(metavar="PC", help="Leave this PC out; repeat for more.")]
Use = Annotated[list[str] | None, typer.Option(metavar="PC", help="This PC must take part; repeat for more.")]
Shares = Annotated[
    list[str] | None,
    typer.Option("--share", metavar="PC/DEVICE=LAYERS", help="Layers of a device; repeat for all, in layer order."),
]
Repetitive = Annotated[
    bool, typer.Option("--repetitive", help="The answers repeat what was said, as when code or a text is edited.")
]

_SHARE = re.compile(r"(.+)/([^/=]+)=(\d{1,4})")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options as they were typed; PCs by their names."""

    pcs: int | None = None
    min_pcs: int = 1
    context: int | None = None
    slots: int = 1
    prefer: Preference | None = None
    kv: KvType = KvType.F16
    head: str | None = None
    avoid: Sequence[str] = ()
    use: Sequence[str] = ()
    shares: Sequence[str] = ()
    repetitive: bool = False

    def request(self, model: ModelId, names: Mapping[str, NodeId]) -> PlanRequest:
        """PURE: what the planner is asked.

        Raises InputError for a PC that is not in `names`, a bad share, and numbers of PCs that contradict each other.
        """
        if self.pcs is not None and self.pcs < self.min_pcs:
            raise InputError(
                f"--pcs {self.pcs} and --min-pcs {self.min_pcs} contradict each other.", "Leave one of them away."
            )
        return PlanRequest(
            model_id=model,
            pcs=self.pcs,
            min_pcs=self.min_pcs,
            context=self.context,
            slots=self.slots,
            prefer=self.prefer,
            kv_type=self.kv,
            head=None if self.head is None else find_pc(self.head, names),
            avoid=tuple(find_pc(each, names) for each in self.avoid),
            use=tuple(find_pc(each, names) for each in self.use),
            shares=tuple(_share(each, names) for each in self.shares),
            repetitive=self.repetitive,
        )


def _share(text: str, names: Mapping[str, NodeId]) -> Share:
    found = _SHARE.fullmatch(text)
    if found is None or int(found[3]) > 4096:
        raise InputError(f"{text!r} is no share.", "Write PC/DEVICE=LAYERS, for example: --share ATTIC/CUDA0=20.")
    return Share(node=find_pc(found[1], names), device=found[2], layers=int(found[3]))


def pcs_of(view: ClusterView) -> dict[str, NodeId]:
    """PURE: the PCs of a described cluster by name."""
    return {node.name: node.node for node in view.nodes}


def pcs_of_status(status: Status) -> dict[str, NodeId]:
    """PURE: this PC and its peers by name, by the identity that `caravan peers` shows, and by their id; two of one name
    not by that.
    """
    named = [(status.node.name, status.node.id), *((peer.called, peer.node) for peer in status.peers)]
    names = [name for name, _ in named]
    single = {name: node for name, node in named if names.count(name) == 1}
    return single | {each.short_name: each.node for each in status.members} | {node: node for _, node in named}


def find_pc(text: str, names: Mapping[str, NodeId]) -> NodeId:
    """PURE: the PC that is meant: of this very name, else the only one of it in other letter cases.

    Raises InputError with the nearest name.
    """
    alike = [name for name in names if name.casefold() == text.casefold()]
    if text in names or len(alike) == 1:
        return names[text if text in names else alike[0]]
    close = difflib.get_close_matches(text.casefold(), {name.casefold() for name in names}, n=1)
    known = next((name for name in names if close and name.casefold() == close[0]), None)
    # Of what a PC is known by, the first.
    firsts = [name for name, node in names.items() if name == next(each for each in names if names[each] == node)]
    hint = f"Did you mean {known}?" if known else f"The PCs are {', '.join(firsts)}."
    raise InputError(f"No PC is named {text}, or several are.", hint)
