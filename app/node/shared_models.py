"""The models on the other PCs' disks: asked for once after each change that a peer's heartbeat announces."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from app.cluster.link import PeerLink
from app.schema.errors import CaravanError, ModelNotFound
from app.schema.model import EncoderShape, HeldModel, ModelFile
from app.schema.node import Peer
from app.schema.record import NodeId

logger = logging.getLogger("caravan.node.models")


class SharedModels:
    """Keeps each peer's list of models. `link_to` raises CaravanError for a peer that does not answer."""

    def __init__(self, link_to: Callable[[NodeId], PeerLink]) -> None:
        self._link_to = link_to
        self._models: dict[NodeId, tuple[ModelFile, ...]] = {}
        self._revisions: dict[NodeId, tuple[float, int]] = {}
        self._wanted: dict[NodeId, tuple[float, int]] = {}
        self._news = asyncio.Event()

    def heard(self, peer: Peer) -> None:
        """A peer answered its heartbeat: fetch its list if that changed since."""
        if peer.report is None:
            return
        revision = (peer.report.node.started_at, peer.report.catalogue_revision)
        if self._revisions.get(peer.node) != revision:
            self._wanted[peer.node] = revision
            self._news.set()

    def keep(self, nodes: frozenset[NodeId]) -> None:
        """Forget the lists of all others: they left the cluster."""
        for node in self._models.keys() - nodes:
            self._models.pop(node, None)
            self._revisions.pop(node, None)

    async def run(self) -> None:
        """Fetch what was announced, one list after the other, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._wanted:
                node, revision = self._wanted.popitem()
                # The next heartbeat announces it again.
                with contextlib.suppress(CaravanError):
                    self._models[node] = await self._link_to(node).models()
                    self._revisions[node] = revision

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

    def held(self, own: NodeId, models: tuple[ModelFile, ...]) -> tuple[HeldModel, ...]:
        """All models of the cluster, this PC's `models` first, each once with the PCs that hold it."""
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
