"""What an archive may do to the disk: fill its own folder, and nothing else."""

import io
import stat
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import archive
from app.engine.archive import unpack
from app.schema.errors import ArchiveRefused, DiskUnusable
from app.web.stoppable import Stop, Stopped
from tests.fakes.release_site import make_tar, make_zip

FILES = {"llama-server": b"program", "lib/ü b.so": b"library" * 1000}


def unpacked(data: bytes, folder: Path, name: str = "a.zip", limit: int = archive.BYTES_LIMIT) -> Path:
    packed = folder / name
    packed.write_bytes(data)
    target = folder / "engine"
    target.mkdir(exist_ok=True)
    unpack(packed, target, Stop(), limit)
    return target


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "data",
    [make_zip(FILES), make_tar(FILES), make_tar(FILES, top="./"), make_tar(FILES, top="")],
    ids=["zip", "tar", "dot", "flat"],
)
def test_the_files_lie_in_the_folder(tmp_path: Path, data: bytes) -> None:
    folder = unpacked(data, tmp_path)
    assert content(folder) == FILES
    if sys.platform != "win32":
        assert (folder / "llama-server").stat().st_mode & stat.S_IXUSR


def test_a_zip_with_a_top_folder_and_backslashes(tmp_path: Path) -> None:
    folder = unpacked(make_zip({"llama-b1\\bin\\llama-server.exe": b"1"}), tmp_path)
    assert content(folder) == {"bin/llama-server.exe": b"1"}


def test_two_archives_share_a_folder(tmp_path: Path) -> None:
    unpacked(make_zip(FILES), tmp_path)
    folder = unpacked(make_zip({"llama-server": b"program", "cudart64_12.dll": b"runtime"}), tmp_path, "b.zip")
    assert content(folder) == {**FILES, "cudart64_12.dll": b"runtime"}


@pytest.mark.skipif(sys.platform == "win32", reason="its archives hold no links")
def test_links_to_a_neighbour_are_made(tmp_path: Path) -> None:
    links = {"libllama.so": "libllama.so.0", "libllama.so.0": "libllama.so.0.1"}
    folder = unpacked(make_tar({"libllama.so.0.1": b"1"}, links), tmp_path, "a.tar.gz")
    assert content(folder) == dict.fromkeys(("libllama.so.0.1", *links), b"1")
    assert (folder / "libllama.so").is_symlink()


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "..", ".", "", "lib/x", "missing", "a\\b", "loop", "sub"]
)
def test_a_link_elsewhere_is_refused(tmp_path: Path, target: str) -> None:
    data = make_tar({"file": b"1", "sub/x": b"2"}, {"loop": target})
    with pytest.raises((ArchiveRefused, DiskUnusable)):
        unpacked(data, tmp_path, "a.tar.gz")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/x",
        "a/../../x",
        "..\\x",
        "\\\\server\\x",
        "C:\\x",
        "c:x",
        "a/con",
        "NUL.txt",
        "x:stream",
        "x.",
        "y ",
        "a\nb",
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_astray_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    data = make_zip({name: b"1"}) if kind == "zip" else make_tar({name: b"1"}, top="")
    before = sorted(tmp_path.parent.iterdir())
    with pytest.raises(ArchiveRefused, match="not unpacked"):
        unpacked(data, tmp_path)
    assert content(tmp_path / "engine") == {}
    assert sorted(tmp_path.parent.iterdir()) == before


@given(st.text(alphabet=st.sampled_from("ab./\\: "), min_size=1, max_size=12))
def test_every_path_stays_inside(name: str) -> None:
    unpacking = archive._Unpacking("a.zip", Path("/engine"), Stop(), 1)
    try:
        found = unpacking.path(name)
    except ArchiveRefused:
        return
    assert found is None or (not found.is_absolute() and ".." not in found.parts and ":" not in str(found))


def test_special_files_are_refused(tmp_path: Path) -> None:
    for kind in (tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as opened:
            entry = tarfile.TarInfo("x")
            entry.type, entry.linkname = kind, "y"
            opened.addfile(entry)
        with pytest.raises(ArchiveRefused, match="special"):
            unpacked(data.getvalue(), tmp_path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        entry = zipfile.ZipInfo("x")
        entry.external_attr = 0o120777 << 16
        opened.writestr(entry, "/etc/passwd")
    with pytest.raises(ArchiveRefused, match="link"):
        unpacked(data.getvalue(), tmp_path)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_bomb_is_refused(tmp_path: Path, make: object) -> None:
    assert callable(make)
    with pytest.raises(ArchiveRefused, match="far more"):
        unpacked(make({"x": bytes(3_000_000)}), tmp_path, limit=1_000_000)
    assert sum(map(len, content(tmp_path / "engine").values())) <= 1 << 20


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    files = {f"f{number}": b"" for number in range(archive.ENTRIES_LIMIT + 1)}
    with pytest.raises(ArchiveRefused, match="far more"):
        unpacked(make_zip(files), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="twice"):
        unpacked(make_zip({"Ggml.dll": b"1", "ggml.DLL": b"2"}), tmp_path)


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    whole = make_zip(FILES)
    packed = make_tar(FILES)
    spoilt = whole.replace(whole[44:48], bytes(4), 1)
    flipped = packed[:-8] + bytes(8)
    for data in (b"", b"PK\x03\x04 not really", whole[:-30], packed[: len(packed) // 2], packed[:-9], spoilt, flipped):
        with pytest.raises(ArchiveRefused, match="damaged"):
            unpacked(data, tmp_path, "cut.zip")


def test_a_password_is_refused(tmp_path: Path) -> None:
    data = bytearray(make_zip({"x": b"1"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    with pytest.raises(ArchiveRefused, match="damaged"):
        unpacked(bytes(data), tmp_path)


def test_it_stops_when_asked(tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    packed.write_bytes(make_zip(FILES))
    stop = Stop()
    stop.ask()
    (tmp_path / "engine").mkdir()
    with pytest.raises(Stopped):
        unpack(packed, tmp_path / "engine", stop)


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    packed.write_bytes(make_zip({"a/b": b"1"}))
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "a").write_text("a file where a folder should be")
    with pytest.raises(DiskUnusable, match="cannot be unpacked"):
        unpack(packed, tmp_path / "engine", Stop())


def test_it_tells_what_it_made(tmp_path: Path) -> None:
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(make_tar(FILES))
    (tmp_path / "engine").mkdir()
    assert unpack(packed, tmp_path / "engine", Stop()) == {PurePosixPath(name) for name in FILES}
