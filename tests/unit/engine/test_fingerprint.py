"""Equal builds have equal fingerprints, wherever they lie; a changed library changes it."""

from pathlib import Path

from app.engine.fingerprint import fingerprint


def build(folder: Path, library: bytes = b"one") -> Path:
    folder.mkdir()
    for name, content in {"llama-server": b"s", "ggml-rpc-server": b"r", "libggml-base.so.0.1": library}.items():
        (folder / name).write_bytes(content)
    (folder / "readme.txt").write_bytes(str(folder).encode())
    return folder / "llama-server"


def test_the_same_files_elsewhere_are_the_same_build(tmp_path: Path) -> None:
    assert fingerprint(build(tmp_path / "a")) == fingerprint(build(tmp_path / "b"))


def test_another_library_is_another_build(tmp_path: Path) -> None:
    assert fingerprint(build(tmp_path / "a")) != fingerprint(build(tmp_path / "b", b"two"))
