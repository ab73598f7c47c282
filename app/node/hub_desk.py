"""Everything people ask a node about the hub: search, look, would it run here, with which token."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import PurePosixPath

from app.modelstore.hub.estimate import scaled_shape
from app.modelstore.hub.files import find_file, projector_for
from app.modelstore.hub.hub import Hub
from app.modelstore.hub.recommend import Memory, recommend
from app.modelstore.naming import base_name, model_family
from app.node.forecast import Forecast
from app.node.hub_token import HubTokens
from app.schema.download import ESTIMATED, HubAccess, HubFile, HubModel, HubQuestion, HubRepository, HubSort
from app.schema.errors import HubFileNotFound, InputError
from app.schema.hub_reference import HubReference, is_revision, read_reference
from app.schema.model import EncoderShape, ModelFile, ModelShape
from app.schema.plan import ClusterView, Plan, Refusal
from app.schema.record import ModelId


class HubDesk:
    """Answers with what this PC has and what the cluster can take in mind.

    `models` are those on this PC; `known` waits until this PC knows itself, and may raise NodeStarting.
    """

    def __init__(
        self,
        hub: Hub,
        tokens: HubTokens,
        forecast: Forecast,
        models: Callable[[], tuple[ModelFile, ...]],
        known: Callable[[], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._tokens = tokens
        self._forecast = forecast
        self._models = models
        self._known = known

    async def search(self, text: str, sort: HubSort, limit: int) -> tuple[HubModel, ...]:
        """Repositories with GGUF files. Raises DownloadFailed."""
        return await self._hub.search(text.strip(), sort, limit)

    async def repository(self, text: str) -> HubRepository:
        """One repository by whatever names it. Raises InputError, NotFound, GatedRepository or DownloadFailed."""
        reference = named(text)
        listing = await self._hub.look(reference.repository, reference.revision)
        await self._known()
        memory = memory_of(self._forecast.cluster())
        chosen = find_file(listing.files, reference.file).name if reference.file else None
        best = recommend(listing.files, memory)
        here = _sizes_by_name(self._models())

        def shown(file: HubFile) -> HubFile:
            is_best = best is not None and file.name == best.name
            return file.model_copy(update={"recommended": is_best, "here": _is_here(file, here)})

        return HubRepository(
            model=listing.details.model,
            revision=listing.details.revision,
            files=tuple(map(shown, listing.files)),
            projectors=tuple(map(shown, listing.projectors)),
            description=listing.details.description,
            chosen=chosen,
            recommended_because=best.sentence if best else None,
        )

    async def plan(self, question: HubQuestion) -> Plan | Refusal:
        """Where a model would run if it were here, from the header of its file there. Raises as `repository`, or the
        reason why the header cannot be read.
        """
        reference = named(question.wanted.repository)
        revision = question.wanted.revision or reference.revision
        if revision is not None and not is_revision(revision):
            raise InputError(f"{revision!r} is no revision.", "Name a branch, a tag or a commit.")
        listing = await self._hub.look(reference.repository, revision)
        file = find_file(listing.files, question.wanted.file)
        estimate = estimated(file, listing.files, self._hub.known_shape) if question.may_estimate else None
        shape = estimate or await self._hub.shape(reference.repository, listing.details.revision, file)
        if shape.is_projector:
            raise HubFileNotFound(f"{file.name} is no model but belongs to one.", "Choose a model of the repository.")
        projector = projector_for(file, listing.projectors)
        model = ModelFile(
            id=ModelId(PurePosixPath(file.name).name),
            path=file.parts[0].path,
            folder="",
            size_bytes=file.size_bytes or 0,
            modified=0.0,
            parts=tuple(part.path for part in file.parts),
            shape=shape,
            projector_path=projector.parts[0].path if projector is not None else None,
            encoder=EncoderShape(weight_bytes=projector.size_bytes or 0) if projector is not None else None,
        )
        await self._known()
        asked = question.plan.model_copy(update={"model_id": model.id})
        answer = await asyncio.to_thread(self._forecast.plan_if_here, asked, model, shape)
        if estimate is None or isinstance(answer, Refusal):
            return answer
        return answer.model_copy(update={"notes": (*answer.notes, ESTIMATED)})

    async def access(self) -> HubAccess:
        """Which hub is asked, and as whom."""
        return (await self._tokens.place()).access

    async def keep_token(self, token: str) -> HubAccess:
        """Keep an access token. Raises InputError."""
        await self._tokens.keep(token)
        return await self.access()

    async def forget_token(self) -> HubAccess:
        """Forget the kept token. Raises InputError."""
        await self._tokens.forget()
        return await self.access()


def estimated(
    file: HubFile, files: Iterable[HubFile], known_shape: Callable[[HubFile], ModelShape | None]
) -> ModelShape | None:
    """PURE: the shape of a file, told from another quantization of the same model; None when it is known exactly, or
    nothing is known.
    """
    family, size = model_family(file.name), file.size_bytes
    if known_shape(file) is not None or not size:
        return None
    for other in files:
        shape = known_shape(other) if model_family(other.name) == family else None
        if shape is not None and other.size_bytes:
            return scaled_shape(shape, size / other.size_bytes, file.quantization)
    return None


def named(text: str) -> HubReference:
    """What a text names on the hub. Raises InputError."""
    found = read_reference(text)
    if found is None:
        raise InputError(
            f"{text[:100]!r} names no repository.", "Name it like owner/name, or paste the address of its page."
        )
    return found


def memory_of(view: ClusterView) -> Memory | None:
    """PURE: the free memory of the PCs that answer; None before anything was measured."""
    usable = [node.devices for node in view.nodes if node.devices]
    if not usable:
        return None
    cards = sum(device.free_bytes for devices in usable for device in devices if not device.is_cpu)
    whole = sum(device.free_bytes for devices in usable for device in devices)
    return Memory(cards=cards, whole=whole, pcs=len(usable))


def _sizes_by_name(models: Iterable[ModelFile]) -> set[tuple[str, int]]:
    return {
        (base_name(PurePosixPath(each.path.replace("\\", "/")).name).casefold(), each.size_bytes) for each in models
    }


def _is_here(file: HubFile, here: set[tuple[str, int]]) -> bool:
    return (PurePosixPath(file.name).name.casefold(), file.size_bytes or 0) in here
