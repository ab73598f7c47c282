"""Old content or new, never half; damaged JSON is None."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.system.files import plain_reason, read_json_or_none, write_atomically

CHECKOUT = Path(__file__).parents[3]


def test_write_and_overwrite_leaves_one_file(tmp_path: Path) -> None:
    path = tmp_path / "settings ü.json"
    write_atomically(path, b"old and longer")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_private_file_is_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "api-token"
    path.write_bytes(b"readable by all")
    path.chmod(0o644)
    write_atomically(path, b"secret", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folder_in_the_way_is_an_error_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "node.json" / "inner").mkdir(parents=True)
    with pytest.raises(OSError) as caught:  # noqa: PT011  the system picks the class
        write_atomically(tmp_path / "node.json", b"data")
    assert plain_reason(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "gone" / "file", b"data")
    assert plain_reason(caught.value) == "it does not exist"


LIMITED = """
import resource, signal, sys
from pathlib import Path
from app.system.files import plain_reason, write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), b"n" * 5000)
except OSError as error:
    print(plain_reason(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"old")
    argv = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "the file would become larger than allowed"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import itertools, sys
from pathlib import Path
from app.system.files import write_atomically
print("up", flush=True)
for number in itertools.count():
    write_atomically(Path(sys.argv[1]), b"%d" % (number % 10) * 300_000)
"""


def _content(path: Path) -> bytes | None:
    """What a reader gets; None when Windows refuses it in the moment of the replacement."""
    try:
        return path.read_bytes()
    except PermissionError:
        if sys.platform != "win32":
            raise
        return None


def test_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"0" * 300_000)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], cwd=CHECKOUT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                seen = {content for _ in range(200) if (content := _content(path)) is not None}
            finally:
                process.kill()
        seen.add(path.read_bytes())
        assert all(len(content) == 300_000 and len(set(content)) == 1 for content in seen)


windows_only = pytest.mark.skipif(sys.platform != "win32", reason="only Windows refuses a file that is held open")


@windows_only
def test_a_replacement_waits_for_a_reader_to_let_go(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        other = tmp_path / "other"
        other.write_bytes(b"x")
        with pytest.raises(PermissionError):
            os.replace(other, path)
        letting_go = threading.Timer(0.1, reader.close)
        letting_go.start()
        write_atomically(path, b"new")
        letting_go.join()
    assert path.read_bytes() == b"new"


@windows_only
def test_a_reader_that_never_lets_go_is_an_error_and_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"old")
    with path.open("rb"), pytest.raises(PermissionError) as caught:
        write_atomically(path, b"new")
    assert plain_reason(caught.value) == "access is denied"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@windows_only
def test_reading_waits_for_a_writer_that_shares_with_nobody(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b'{"a": 1}')
    holder = held_alone(path)
    letting_go = threading.Timer(0.1, holder)
    letting_go.start()
    assert read_json_or_none(path) == {"a": 1}
    letting_go.join()


@windows_only
def test_what_is_never_shared_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b'{"a": 1}')
    let_go = held_alone(path)
    assert read_json_or_none(path) is None
    let_go()
    assert f"Cannot read {path}" in caplog.text


def held_alone(path: Path) -> Callable[[], None]:
    """Open a file as a virus scanner does, shared with nobody; the result lets it go."""
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = wintypes.HANDLE
    kernel.CreateFileW.argtypes = (wintypes.LPCWSTR, *[wintypes.DWORD] * 2, wintypes.LPVOID, *[wintypes.DWORD] * 2)
    kernel.CreateFileW.argtypes += (wintypes.HANDLE,)
    kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    read, open_existing = 0x80000000, 3
    handle = kernel.CreateFileW(str(path), read, 0, None, open_existing, 0, None)
    assert handle != wintypes.HANDLE(-1).value
    return lambda: kernel.CloseHandle(handle)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"", None),
        (b'{"a": ', None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b"null", None),
    ],
)
def test_read_json(tmp_path: Path, content: bytes, value: object) -> None:
    (tmp_path / "f.json").write_bytes(content)
    assert read_json_or_none(tmp_path / "f.json") == value


def test_missing_json_is_silent_and_a_folder_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_json_or_none(tmp_path / "missing.json") is None
    assert not caplog.records
    assert read_json_or_none(tmp_path) is None
    assert str(tmp_path) in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(content=st.binary(max_size=40))
def test_any_bytes_are_read_without_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.json").write_bytes(content)
    read_json_or_none(tmp_path / "f.json")
