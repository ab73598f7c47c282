"""A download in one line, and the one that is meant."""

import pytest

from app.cli import words
from app.cli.downloads_command import _meant
from app.cli.models_command import _verdict
from app.schema.download import Download, DownloadId, DownloadPhase
from app.schema.errors import DownloadNotFound
from app.schema.plan import Refusal
from app.schema.record import ModelId

EACH = Download(
    id=DownloadId("ab12"),
    repository="owner/M-GGUF",
    revision="0" * 40,
    name="M-Q4_K_M",
    quantization="Q4_K_M",
    phase=DownloadPhase.DOWNLOADING,
    bytes_done=1 << 30,
    bytes_total=5 << 30,
)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "M-Q4_K_M - downloading - 1.0 GB of 5.0 GB"),
        ({"rate": 8.0 * (1 << 20)}, "M-Q4_K_M - downloading - 1.0 GB of 5.0 GB, 8.0 MB/s, 8 min 32 s left"),
        ({"phase": DownloadPhase.DONE}, "M-Q4_K_M - done - 5.0 GB"),
        ({"phase": DownloadPhase.CANCELLED}, "M-Q4_K_M - cancelled"),
        ({"phase": DownloadPhase.QUEUED, "note": "Waits."}, "M-Q4_K_M - waiting - 1.0 GB of 5.0 GB - Waits."),
    ],
)
def test_one_line(changes: dict[str, object], line: str) -> None:
    assert words.download(EACH.model_copy(update=changes)) == line


def test_a_download_is_meant_by_its_id_its_name_or_its_reference() -> None:
    newer = EACH.model_copy(update={"id": DownloadId("cd34")})
    for text in ("ab12", "m-q4_k_m", "OWNER/m-gguf:q4_k_m"):
        assert _meant((EACH,), text) is EACH
    assert _meant((EACH, newer), "M-Q4_K_M") is newer
    with pytest.raises(DownloadNotFound):
        _meant((EACH,), "other")


def test_a_refusal_in_a_few_words() -> None:
    refusal = Refusal(
        model_id=ModelId("m"), code="x", sentence="No.", hint="", needed_bytes=5 << 30, free_bytes=2 << 30
    )
    assert _verdict(refusal) == "3.0 GB short"
    assert _verdict(refusal.model_copy(update={"free_bytes": None})) == "no"
    assert _verdict(None) == "-"
