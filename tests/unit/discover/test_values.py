"""Repositories, quantizations and downloads in words, and what can be done with each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema.download import Download, DownloadId, DownloadPhase, HubFile, HubModel, HubPart, HubRepository
from app.schema.errors import ErrorInfo
from app.ui.discover import downloads, file_rows
from app.ui.discover.downloads import Deed
from app.ui.discover.results import results_of
from app.ui.discover.wording import ago, brief_facts, display_repository, facts, licence_words, short_count
from app.ui.models.quantizations import quality
from app.ui.models.verdicts import Fit, Verdict
from app.ui.style.palette import Tone
from app.ui.words import tr

GIBI = 1 << 30
NOW = 1.79e9
DAY = 86_400.0
MODEL = HubModel(
    repository="Qwen/Qwen3-8B-GGUF", author="Qwen", downloads=1_240_000, likes=840, updated=NOW - 3 * DAY,
    licence="apache-2.0",
)  # fmt: skip
FITS = Verdict(Fit.HERE, tr("fits here"), Tone.GOOD, tr("Fits."))
SHORT = Verdict(Fit.SHORT, tr("3 GB short"), Tone.BAD, tr("Too large."))


def file(name: str, quantization: str | None, size: int | None = 4 * GIBI, **more: bool) -> HubFile:
    return HubFile(
        name=name, quantization=quantization, size_bytes=size, parts=(HubPart(path="x", size_bytes=size or 0),), **more
    )


def repository(*files: HubFile, **more: object) -> HubRepository:
    return HubRepository.model_validate({"model": MODEL, "revision": "abc", "files": files, **more})


def download(phase: DownloadPhase, name: str = "m-Q4_K_M", **more: object) -> Download:
    told = {
        "id": "1", "repository": MODEL.repository, "revision": "abc", "name": name, "quantization": "Q4_K_M",
        "phase": phase, "bytes_done": GIBI, "bytes_total": 4 * GIBI, **more,
    }  # fmt: skip
    return Download.model_validate(told)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0"), (950, "950"), (1_240, "1.2K"), (34_000, "34K"), (999_700, "1M"), (1_240_000, "1.2M")]
)
def test_large_counts_are_short(count: int, words: str) -> None:
    assert short_count(count) == words


@given(st.integers(0, 10**12))
def test_a_short_count_is_near_the_count(count: int) -> None:
    words = short_count(count)
    factor = {"K": 1e3, "M": 1e6}.get(words[-1], 1)
    assert float(words.rstrip("KM")) * factor == pytest.approx(count, rel=0.06)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-1, "today"), (0.4, "today"), (1.2, "yesterday"), (3, "3 days ago"), (20, "2 weeks ago"),
        (90, "3 months ago"), (800, "2 years ago"),
    ],
)  # fmt: skip
def test_how_long_ago(days: float, words: str) -> None:
    assert str(ago(NOW - days * DAY, NOW)) == words


def test_what_the_hub_tells_is_a_line_and_what_it_does_not_is_left_out() -> None:
    assert str(facts(MODEL, NOW)) == "1.2M downloads a month · 840 likes · updated 3 days ago · Apache 2.0"
    assert str(brief_facts(MODEL, NOW)) == "1.2M downloads · 840 likes · 3 days ago · Apache 2.0"
    assert str(facts(HubModel(repository="a/b", author="a"), NOW)) == ""


@pytest.mark.parametrize(
    ("licence", "words"),
    [("mit", "MIT"), ("llama3.3", "Llama 3.3"), ("other", "own licence"), ("eupl-1.2", "eupl-1.2"), (None, "None")],
)
def test_licences(licence: str | None, words: str) -> None:
    assert str(licence_words(licence)) == words


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("bartowski/Qwen_Qwen3-8B-GGUF", "Qwen Qwen3 8B"),
        ("google/gemma-3-27b-it-qat-q4_0-gguf", "gemma 3 27b it qat q4 0"),
        ("a/GGUF", "GGUF"),
        ("x/-GGUF", "-GGUF"),
    ],
)
def test_names_of_repositories(repository: str, name: str) -> None:
    assert display_repository(repository) == name


def test_a_repository_that_is_told_twice_is_one_row() -> None:
    assert [row.key for row in results_of((MODEL, MODEL), NOW)] == [MODEL.repository]


def test_only_what_is_recommended_is_called_so() -> None:
    rows = file_rows.file_rows(repository(file("m-Q4_K_M", "Q4_K_M"), file("m-Q6_K", "Q6_K", recommended=True)), (), {})
    assert [str(row.meaning) for row in rows] == ["good balance", "very good"]
    assert [row.mark and str(row.mark) for row in rows] == [None, "recommended"]
    assert str(quality("BF16")) == "as trained"


def test_files_with_one_quantization_go_by_their_names() -> None:
    rows = file_rows.file_rows(repository(file("big/a-Q4_K_M", "Q4_K_M"), file("b-Q4_K_M", "Q4_K_M")), (), {})
    assert [row.name for row in rows] == ["a-Q4_K_M", "b-Q4_K_M"]


def test_one_begins_with_what_was_asked_for_then_with_what_is_recommended() -> None:
    files = (file("a", "Q2_K"), file("b", "Q4_K_M", recommended=True))
    assert file_rows.chosen_first(repository(*files)) == f"{MODEL.repository}@abc/b"
    assert file_rows.chosen_first(repository(*files, chosen="a")) == f"{MODEL.repository}@abc/a"
    assert file_rows.chosen_first(repository(file("c", None))) == f"{MODEL.repository}@abc/c"
    assert file_rows.chosen_first(repository()) is None


def row(*arriving: Download, verdict: Verdict = FITS, **more: bool) -> file_rows.FileRow:
    held = repository(file("m-Q4_K_M", "Q4_K_M", **more))
    return file_rows.file_rows(held, arriving, {f"{MODEL.repository}@abc/m-Q4_K_M": verdict})[0]


@pytest.mark.parametrize(
    ("made", "words", "deed", "is_possible"),
    [
        (row(), "Download 4 GB", file_rows.Deed.DOWNLOAD, True),
        (row(verdict=SHORT), "Download 4 GB anyway", file_rows.Deed.DOWNLOAD, True),
        (row(here=True), "Launch...", file_rows.Deed.OPEN, True),
        (row(download(DownloadPhase.DONE)), "Launch...", file_rows.Deed.OPEN, True),
        (row(download(DownloadPhase.QUEUED)), "Download 4 GB", file_rows.Deed.DOWNLOAD, False),
        (row(download(DownloadPhase.PAUSED)), "Resume the download", file_rows.Deed.RESUME, True),
        (row(download(DownloadPhase.FAILED)), "Resume the download", file_rows.Deed.RESUME, True),
        (row(download(DownloadPhase.CANCELLED)), "Download 4 GB", file_rows.Deed.DOWNLOAD, True),
    ],
)
def test_the_one_button(made: file_rows.FileRow, words: str, deed: file_rows.Deed, is_possible: bool) -> None:
    offer = file_rows.offer(made, 100 * GIBI, has_access=True)
    assert (str(offer.words), offer.deed, offer.reason is None) == (words, deed, is_possible)


def test_a_download_that_does_not_fit_the_disk_says_by_how_much() -> None:
    offer = file_rows.offer(row(), 3 * GIBI, has_access=True)
    assert str(offer.reason) == "The disk of the models folder is 2 GB short; 1 GB stays free."
    assert file_rows.offer(row(), 5 * GIBI, has_access=True).reason is None
    assert file_rows.offer(row(), None, has_access=True).reason is None


def test_a_closed_repository_asks_for_a_token() -> None:
    assert "access token" in str(file_rows.offer(row(), None, has_access=False).reason)


def test_the_projector_is_named() -> None:
    projector = file("mmproj-F16", "F16", GIBI, is_projector=True)
    assert file_rows.projector_words(repository(projectors=())) is None
    assert str(file_rows.projector_words(repository(projectors=(projector,)))) == (
        "Sees pictures: mmproj-F16, 1 GB, comes along."
    )


@pytest.mark.parametrize("phase", list(DownloadPhase))
def test_every_phase_has_words_and_a_way_out(phase: DownloadPhase) -> None:
    line = downloads.line(download(phase))
    assert str(line.state)
    assert {Deed.CANCEL, Deed.DISMISS} & set(line.deeds)
    assert 1 <= len(line.deeds) <= 2


def test_a_download_tells_real_bytes_rate_and_time() -> None:
    moving = download(DownloadPhase.DOWNLOADING, rate=12e6, seconds_left=268.0)
    line = downloads.line(moving)
    assert (line.name, str(line.detail), line.part) == ("m Q4_K_M", "1 GB of 4 GB · 11 MB/s · 4 min left", 0.25)
    unknown = downloads.line(download(DownloadPhase.DOWNLOADING))
    assert str(unknown.detail) == "1 GB of 4 GB"


def test_what_failed_says_why() -> None:
    error = ErrorInfo(code="x", sentence="The disk is full.", hint="Free some space.")
    assert downloads.line(download(DownloadPhase.FAILED, error=error)).trouble == error
    # An error that a retry left behind says nothing any more.
    assert downloads.line(download(DownloadPhase.DOWNLOADING, error=error)).trouble is None


def test_all_downloads_in_one_line() -> None:
    moving = download(DownloadPhase.DOWNLOADING, rate=10.0 * (1 << 20))
    two = (moving, download(DownloadPhase.QUEUED, bytes_done=0), download(DownloadPhase.PAUSED))
    assert str(downloads.summary(two)) == "2 downloads · 12 % · 10 MB/s · 12 min left"
    assert str(downloads.brief(two)) == "2 downloads · 12 %"
    assert str(downloads.brief(two[:1])) == "1 download · 25 %"
    assert downloads.summary(two[2:]) is downloads.brief(two[2:]) is None


def test_what_was_cancelled_is_gone() -> None:
    assert downloads.shown((download(DownloadPhase.CANCELLED), download(DownloadPhase.DONE))) == (
        download(DownloadPhase.DONE),
    )


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_bar_never_leaves_its_frame(done: int, total: int) -> None:
    part = downloads.line(download(DownloadPhase.DOWNLOADING, bytes_done=done, bytes_total=total)).part
    assert part is None or 0 <= part <= 1


def test_names_of_files_in_folders() -> None:
    assert (
        downloads.name_of(download(DownloadPhase.DONE, "UD/Qwen3-8B-Q4_K_M", id=DownloadId("2"))) == "Qwen3 8B Q4_K_M"
    )
