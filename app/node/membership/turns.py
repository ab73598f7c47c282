"""PURE: how often two nodes whose lists differ exchange them, so that lasting disagreement never becomes a loop."""

from dataclasses import dataclass

from app.schema.record import NodeId

SHORTEST = 1.0
"""Seconds between two exchanges with one node, whatever changes."""

FIRST_WAIT = 5.0
LONGEST_WAIT = 300.0
"""Seconds until lists that stayed different are exchanged again: at first, doubled each time, at most."""


@dataclass(frozen=True)
class _Turn:
    digests: tuple[str, str]
    at: float
    wait: float


class Turns:
    """Remembers the last exchange with each node. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._last: dict[NodeId, _Turn] = {}

    def take(self, node: NodeId, ours: str, theirs: str, now: float) -> bool:
        """Whether to exchange lists with `node` now; if so, the turn is taken."""
        last = self._last.get(node)
        is_same = last is not None and last.digests == (ours, theirs)
        if last is not None and now - last.at < (last.wait if is_same else SHORTEST):
            return False
        wait = min(2 * last.wait, LONGEST_WAIT) if last is not None and is_same else FIRST_WAIT
        self._last[node] = _Turn((ours, theirs), now, wait)
        return True

    def keep_only(self, nodes: frozenset[NodeId]) -> None:
        """Forget all others."""
        self._last = {node: turn for node, turn in self._last.items() if node in nodes}
