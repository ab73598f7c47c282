"""Models on the hub (Hugging Face, or a mirror of it), and downloads of them."""

from enum import StrEnum
from typing import Annotated, NewType

from pydantic import Field

from app.schema.errors import ErrorInfo
from app.schema.plan import PlanRequest
from app.schema.record import Bytes, ModelId, Record

DownloadId = NewType("DownloadId", str)
"""Identity of one download on one node; it stays the same when the node starts anew."""

HubText = Annotated[str, Field(min_length=1, max_length=500)]
"""What a person types or pastes to name something on the hub."""

ESTIMATED = "Estimated from another quantization of this model: the exact figures come with its own header."
"""The note of a plan that was told from another file. It warns of nothing."""


class HubSort(StrEnum):
    """How found repositories are ordered; the largest, newest or most wanted first."""

    DOWNLOADS = "downloads"
    LIKES = "likes"
    UPDATED = "updated"
    TRENDING = "trending"


class HubModel(Record):
    """A repository with GGUF files. `repository` is `owner/name`, `downloads` those of the last month.

    `updated` is seconds since the epoch. The files of a `gated` one are given only to accounts that accepted its terms.
    """

    repository: str
    author: str
    downloads: int | None = None
    likes: int | None = None
    updated: float | None = None
    gated: bool = False
    licence: str | None = None
    tags: tuple[str, ...] = ()


class HubPart(Record):
    """A file of a repository. `path` is its place there, `sha256` lower-case hex as the hub names it."""

    path: str
    size_bytes: Bytes
    sha256: str | None = None


class HubFile(Record):
    """One model of a repository with all parts it was split into, or a projector.

    `name` is the path of the file (of a split one without its part number) without `.gguf`, unique in its repository.
    `recommended`: of all the quantizations this one suits the cluster as it is now. `here`: this PC has
    it already, in whichever folder, as far as name and size tell.
    """

    name: str
    quantization: str | None = None
    size_bytes: Bytes | None = None
    parts: tuple[HubPart, ...]
    recommended: bool = False
    is_projector: bool = False
    here: bool = False


class HubRepository(Record):
    """A repository looked at closely. `revision` is the commit that `files`, smallest first, and `projectors` are of.

    A projector lets a model of the repository see images. `chosen` is the name of the file that was asked for, when the
    question named a file or quantization. `recommended_because` tells in a sentence why a file is recommended.
    """

    model: HubModel
    revision: str
    files: tuple[HubFile, ...] = ()
    projectors: tuple[HubFile, ...] = ()
    description: str | None = None
    chosen: str | None = None
    recommended_because: str | None = None


class DownloadRequest(Record):
    """Which model to get: `file` is a `HubFile.name`, a quantization or a file's path.

    `revision` None is the newest commit.
    """

    repository: HubText
    file: HubText
    revision: Annotated[str, Field(max_length=100)] | None = None


class HubQuestion(Record):
    """Where a model of the hub would run if it were here. The `model_id` of `plan` is not looked at.

    Each answer costs the header of the file, some megabytes. `may_estimate` takes the header of another quantization of
    the repository instead when that is known already; the plan's notes then say so.
    """

    wanted: DownloadRequest
    plan: PlanRequest
    may_estimate: bool = False


class DownloadPhase(StrEnum):
    """Where a download is. `paused` and `failed` ones keep what arrived and can be resumed."""

    QUEUED = "queued"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


ACTIVE_PHASES = frozenset({DownloadPhase.QUEUED, DownloadPhase.DOWNLOADING, DownloadPhase.CHECKING})
"""Phases in which something is done, or soon will be, without anybody asking."""


class Download(Record):
    """A download as it is now. `bytes_done` are on the disk; both counts are of all its files together.

    `rate` is bytes/s and `seconds_left` what it means, None until measured. `path` is where the model's first file lies
    once it is done, and `model_id` its name in the catalogue. `projector` is the file for images that comes along.
    A `note` tells what is waited for, as a sentence.
    """

    id: DownloadId
    repository: str
    revision: str
    name: str
    quantization: str | None = None
    phase: DownloadPhase
    bytes_done: Bytes = 0
    bytes_total: Bytes
    rate: float | None = None
    seconds_left: float | None = None
    path: str | None = None
    projector: str | None = None
    note: str | None = None
    error: ErrorInfo | None = None
    model_id: ModelId | None = None


class DownloadFigures(Record):
    """What changes several times a second while a download runs."""

    id: DownloadId
    bytes_done: Bytes
    rate: float | None = None
    seconds_left: float | None = None


class TokenSource(StrEnum):
    """Where an access token comes from: the environment, the file of Hugging Face's own tools, or Caravan's own."""

    ENVIRONMENT = "environment"
    HUGGING_FACE = "hugging_face"
    CARAVAN = "caravan"


class HubAccess(Record):
    """Which hub is asked, and whether as somebody. The token itself is never told. `site` has no slash at its end."""

    site: str
    token: TokenSource | None = None


class HubToken(Record):
    """An access token as its user types it."""

    token: Annotated[str, Field(min_length=1, max_length=500)]
