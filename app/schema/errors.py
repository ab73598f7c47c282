"""The one tree of errors. Each leaf has a stable code; each instance a sentence for a person and a hint.

CaravanError
+- InputError            what the user asked for is malformed
+- NotAllowed            wrong or missing key, foreign Host or Origin
+- NotFound              ModelNotFound, InstanceNotFound, NodeNotFound, RepositoryNotFound, HubFileNotFound,
|                        DownloadNotFound
+- ModelKept             a model that is not deleted: ModelNotOurs, ModelInUse
+- ModelUnreadable       NotGguf, GgufTruncated, GgufHostile, GgufUnsupported
+- EngineError           EngineMissing, EngineLacksRpc, EngineLibraryMissing, EngineMismatch, EngineBroken,
|                        EngineInstallBusy, EngineInstallFailed (below it: EngineNotOffered, ArchiveRefused)
+- DownloadFailed        DownloadInterrupted (may pass by itself; below it: RateLimited), WrongDigest, DiskUnusable,
|                        GatedRepository
+- PlacementRefused      no placement exists; carries the refusal's reasons as detail (below it: CannotLoad, NoRoomNow)
+- ModelBusy, TooManyWaiting  what may be asked for again later
+- LaunchError           LeaseRefused, WorkerFailed, WorkerLost, HeadFailed, OutOfMemory, PortInUse, LaunchStalled,
|                        LaunchCancelled, UnknownArchitecture
+- PeerUnreachable       a peer does not answer
+- LinkUnmeasured        no throughput, as a peer is too old (below it: LinkInUse, for the moment)
+- NodeError             NodeNotRunning, NodeStarting, NodeAlreadyRunning, ApiPortBusy, DataFolderUnusable
"""

from app.schema.record import Record


class ErrorInfo(Record):
    """An error as it crosses a boundary. `detail` holds raw lines (log tail, reasons) for those who want them."""

    code: str
    sentence: str
    hint: str = ""
    detail: tuple[str, ...] = ()


class CaravanError(Exception):
    """Base of all errors a person may see. `status` is the HTTP status the API answers with."""

    code = "internal"
    status = 500

    def __init__(self, sentence: str, hint: str = "", detail: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.detail = detail

    def info(self) -> ErrorInfo:
        """The error as a record. A file's name may hold half a character, which no record takes: it becomes `?`."""
        sentence, hint, *detail = (
            text.encode("utf-8", "replace").decode() for text in (self.sentence, self.hint, *self.detail)
        )
        return ErrorInfo(code=self.code, sentence=sentence, hint=hint, detail=tuple(detail))


class InputError(CaravanError):
    code = "bad_input"
    status = 400


class NotAllowed(CaravanError):
    code = "not_allowed"
    status = 401


class ForeignOrigin(NotAllowed):
    code = "foreign_origin"
    status = 403


class NotFound(CaravanError):
    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    code = "model_not_found"


class InstanceNotFound(NotFound):
    code = "instance_not_found"


class NodeNotFound(NotFound):
    code = "node_not_found"


class RepositoryNotFound(NotFound):
    code = "repository_not_found"


class HubFileNotFound(NotFound):
    code = "hub_file_not_found"


class DownloadNotFound(NotFound):
    code = "download_not_found"


class ModelKept(CaravanError):
    code = "model_kept"
    status = 409


class ModelNotOurs(ModelKept):
    code = "model_not_ours"


class ModelInUse(ModelKept):
    code = "model_in_use"


class ModelUnreadable(CaravanError):
    code = "model_unreadable"
    status = 422


class NotGguf(ModelUnreadable):
    code = "not_gguf"


class GgufTruncated(ModelUnreadable):
    code = "gguf_truncated"


class GgufHostile(ModelUnreadable):
    code = "gguf_hostile"


class GgufUnsupported(ModelUnreadable):
    code = "gguf_unsupported"


class EngineError(CaravanError):
    code = "engine"
    status = 503


class EngineMissing(EngineError):
    code = "engine_missing"


class EngineLacksRpc(EngineError):
    code = "engine_lacks_rpc"


class EngineLibraryMissing(EngineError):
    code = "engine_library_missing"


class EngineMismatch(EngineError):
    code = "engine_mismatch"


class EngineBroken(EngineError):
    code = "engine_broken"


class EngineInstallBusy(EngineError):
    code = "engine_install_busy"
    status = 409


class EngineInstallFailed(EngineError):
    code = "engine_install_failed"


class EngineNotOffered(EngineInstallFailed):
    code = "engine_not_offered"


class ArchiveRefused(EngineInstallFailed):
    code = "archive_refused"


class DownloadFailed(CaravanError):
    code = "download_failed"
    status = 503


class DownloadInterrupted(DownloadFailed):
    code = "download_interrupted"


class RateLimited(DownloadInterrupted):
    code = "rate_limited"
    wait: float | None = None
    """Seconds the site wants to be left alone, None when it does not tell."""


class WrongDigest(DownloadFailed):
    code = "wrong_digest"


class DiskUnusable(DownloadFailed):
    code = "disk_unusable"


class GatedRepository(DownloadFailed):
    code = "gated_repository"
    status = 403


class PlacementRefused(CaravanError):
    code = "placement_refused"
    status = 409


class CannotLoad(PlacementRefused):
    """A model that a request names has no place, whatever else runs: asking again does not help."""

    code = "cannot_load"
    status = 422


class NoRoomNow(PlacementRefused):
    """A model that a request names has no place beside those that run now."""

    code = "no_room_now"
    status = 503


class ModelBusy(CaravanError):
    """What was to be unloaded because nobody used it is used after all."""

    code = "model_busy"
    status = 409


class LinkUnmeasured(CaravanError):
    """A link cannot be measured: its other end knows no such measurement."""

    code = "link_unmeasured"
    status = 409


class LinkInUse(LinkUnmeasured):
    """A link cannot be measured while a model, a copy or another measurement needs it."""

    code = "link_in_use"


class TooManyWaiting(CaravanError):
    """So many requests wait for models to be loaded that one more is refused."""

    code = "too_many_waiting"
    status = 503


class LaunchError(CaravanError):
    code = "launch_failed"
    status = 503


class LeaseRefused(LaunchError):
    code = "lease_refused"
    status = 409


class WorkerFailed(LaunchError):
    code = "worker_failed"


class WorkerLost(LaunchError):
    code = "worker_lost"


class HeadFailed(LaunchError):
    code = "head_failed"


class OutOfMemory(LaunchError):
    code = "out_of_memory"


class PortInUse(LaunchError):
    code = "port_in_use"


class LaunchStalled(LaunchError):
    code = "launch_stalled"


class LaunchCancelled(LaunchError):
    code = "launch_cancelled"
    status = 409


class UnknownArchitecture(LaunchError):
    code = "unknown_architecture"
    status = 422


class PeerUnreachable(CaravanError):
    code = "peer_unreachable"
    status = 502


class NodeError(CaravanError):
    code = "node"


class NodeNotRunning(NodeError):
    code = "node_not_running"
    status = 503


class NodeStarting(NodeError):
    code = "node_starting"
    status = 503


class NodeAlreadyRunning(NodeError):
    code = "node_already_running"
    status = 409


class ApiPortBusy(NodeError):
    code = "api_port_busy"
    status = 409


class DataFolderUnusable(NodeError):
    code = "data_folder_unusable"


class IdentityUnusable(DataFolderUnusable):
    """The file with this PC's identity is there and cannot be used. A new identity is never made in its place."""

    code = "identity_unusable"


class SettingsUnusable(DataFolderUnusable):
    """The settings file is there and cannot be read, or is damaged and cannot be kept."""

    code = "settings_unusable"


class TrustUnusable(DataFolderUnusable):
    """The list of trusted PCs is there and cannot be used, or is another identity's."""

    code = "trust_unusable"


class PeerRefused(NotAllowed):
    """A connection whose other side is not who it must be, or speaks no protocol of ours: abort it."""

    code = "peer_refused"
    status = 403


class CertificateRefused(PeerRefused):
    """A certificate that no node of ours would have made."""

    code = "certificate_refused"


class ListRefused(PeerRefused):
    """A member list that is not signed by a member, is damaged, or would grow past its limits."""

    code = "member_list_refused"


class ClusterFull(CaravanError):
    """The cluster, or its list of removed PCs, holds as many as it can."""

    code = "cluster_full"
    status = 409


class PairingFailed(NotAllowed):
    """Two PCs were not joined; nothing is trusted that was not before."""

    code = "pairing_failed"
    status = 409


def _tree(root: type[CaravanError]) -> dict[str, type[CaravanError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


_BY_CODE = _tree(CaravanError)


def from_info(info: ErrorInfo) -> CaravanError:
    """The error a record describes, by its code; an unknown code gives a plain `CaravanError` that keeps the text."""
    return _BY_CODE.get(info.code, CaravanError)(info.sentence, info.hint, info.detail)
