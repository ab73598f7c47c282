"""The models on the other PCs' disks: asked for once after each change that a peer's heartbeat announces.

A peer whose list cannot be had is asked again at its heartbeats, but after pauses that grow.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.cluster.link import PeerLink
from app.schema.errors import CaravanError, ModelNotFound
from app.schema.model import EncoderShape, HeldModel, ModelFile
from app.schema.node import Peer
from app.schema.record import NodeId

logger = logging.getLogger("caravan.node.models")

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds until a list is asked for again: after the first failure, and at most."""

FETCH_SECONDS = 5.0
"""How long lists on their way are waited for by whoever asks what there is; each may take as long."""

Revision = tuple[float, int]
"""When the peer started, and the revision of its catalogue."""


def pause(failures: int, draw: float) -> float:
    """PURE: seconds until a list is asked for again after so many failures in a row (1 and more).

    Doubled with each, and spread over the upper half of that by `draw` (0 to 1), so that PCs do not ask in step.
    """
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return whole * (1.0 + draw) / 2.0


@dataclass(frozen=True)
class _Failed:
    """The last failures in a row for one revision of a peer's list, and when it may be asked for again."""

    revision: Revision
    times: int
    until: float


class SharedModels:
    """Keeps each peer's list of models. `link_to` raises CaravanError for a peer that does not answer.

    `clock` is monotonic seconds, `draw` a random number from 0 to 1.
    """

    def __init__(
        self,
        link_to: Callable[[NodeId], PeerLink],
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._link_to = link_to
        self._clock = clock
        self._draw = draw
        self._members: frozenset[NodeId] = frozenset()
        self._models: dict[NodeId, tuple[ModelFile, ...]] = {}
        self._revisions: dict[NodeId, Revision] = {}
        self._failed: dict[NodeId, _Failed] = {}
        self._wanted: dict[NodeId, Revision] = {}
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def heard(self, peer: Peer) -> None:
        """A peer answered its heartbeat: fetch its list if that changed since."""
        if peer.report is None:
            return
        revision = (peer.report.node.started_at, peer.report.catalogue_revision)
        if self._is_due(peer.node, revision):
            self._wanted[peer.node] = revision
            self._idle.clear()
            self._news.set()

    def keep(self, nodes: frozenset[NodeId]) -> None:
        """Keep the lists of these, and forget all others: they left the cluster."""
        self._members = nodes
        tables: tuple[dict[NodeId, Any], ...] = (self._models, self._revisions, self._failed, self._wanted)
        for known in tables:
            for node in known.keys() - nodes:
                del known[node]

    async def run(self) -> None:
        """Fetch what was announced, one list after the other, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._wanted:
                node, revision = self._wanted.popitem()
                # Heartbeats go on announcing a list while it is on its way.
                if self._is_due(node, revision):
                    await self._fetch(node, revision)
            self._idle.set()

    async def fetched(self, seconds: float = FETCH_SECONDS) -> None:
        """Wait until every list that was announced is here or could not be had, for at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def _is_due(self, node: NodeId, revision: Revision) -> bool:
        if node not in self._members or self._revisions.get(node) == revision:
            return False
        failed = self._failed.get(node)
        return failed is None or failed.revision != revision or self._clock() >= failed.until

    async def _fetch(self, node: NodeId, revision: Revision) -> None:
        try:
            models = await self._link_to(node).models()
        except CaravanError as error:
            self._failed_to_fetch(node, revision, error)
            return
        if node in self._members:
            self._models[node], self._revisions[node] = models, revision
            self._failed.pop(node, None)

    def _failed_to_fetch(self, node: NodeId, revision: Revision, error: CaravanError) -> None:
        before = self._failed.get(node)
        times = before.times + 1 if before is not None and before.revision == revision else 1
        seconds = pause(times, self._draw())
        logger.info("the models of a peer are asked for again in %.0f s or later: %s", seconds, error.sentence)
        if node in self._members:
            self._failed[node] = _Failed(revision, times, self._clock() + seconds)

    def of(self, node: NodeId) -> tuple[ModelFile, ...]:
        """The models of one peer as last heard."""
        return self._models.get(node, ())

    def holders(self, model: ModelFile) -> frozenset[NodeId]:
        """The peers whose disks hold this very file, as far as name and size tell."""
        return frozenset(node for node, models in self._models.items() if any(each.is_same(model) for each in models))

    def encoders(self, model: ModelFile) -> dict[NodeId, EncoderShape]:
        """The picture encoders that lie beside this file on the peers' disks."""
        copies = ((node, each) for node, models in self._models.items() for each in models if each.is_same(model))
        return {node: each.encoder for node, each in copies if each.encoder is not None}

    async def held(self, own: NodeId, models: tuple[ModelFile, ...]) -> tuple[HeldModel, ...]:
        """All models of the cluster, this PC's `models` first, each once with the PCs that hold it.

        Waits for lists on their way: whoever asks because a peer announced a change asks before its list is here.
        """
        await self.fetched()
        found = {(each.id, each.size_bytes): (each, [own]) for each in models}
        for node, theirs in sorted(self._models.items()):
            for each in theirs:
                found.setdefault((each.id, each.size_bytes), (each, []))[1].append(node)
        return tuple(HeldModel(model=model, holders=tuple(holders)) for model, holders in found.values())

    def find(self, name: str) -> ModelFile:
        """A model of another PC by its id. Raises ModelNotFound."""
        wanted = name.lower().removesuffix(".gguf")
        for models in self._models.values():
            for each in models:
                if each.id.lower() == wanted:
                    return each
        raise ModelNotFound(f"No PC of the cluster has a model called {name}.", "See `caravan models`.")
