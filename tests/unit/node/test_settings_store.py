"""What the settings file is to a node that starts: missing, damaged, or not to be read at all."""

from pathlib import Path

import pytest

from app.node.settings import SettingsStore
from app.schema.errors import DataFolderUnusable, SettingsUnusable
from app.schema.settings import Settings


def test_missing_settings_are_the_defaults(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.json")
    assert store.current == Settings()
    store.replace(Settings(name="ATTIC"))
    assert SettingsStore(tmp_path / "settings.json").current.name == "ATTIC"


@pytest.mark.parametrize("content", [b"{]", b"null", b'{"sharing": "maybe"}', b"\xff\xfe"])
def test_damaged_settings_are_kept_beside(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    assert SettingsStore(path).current == Settings()
    assert (tmp_path / "settings.damaged").read_bytes() == content
    assert str(path) in caplog.text


def test_settings_that_cannot_be_read_are_told_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults in their place would be saved over them at the first change."""
    path = tmp_path / "settings.json"
    path.write_bytes(b'{"sharing": false}')

    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refused)
        with pytest.raises(SettingsUnusable, match="access is denied") as caught:
            SettingsStore(path)
    assert isinstance(caught.value, DataFolderUnusable)
    assert str(path) in caught.value.sentence
    assert not SettingsStore(path).current.sharing


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    with pytest.raises(SettingsUnusable, match=r"settings\.json"):
        SettingsStore(tmp_path / "settings.json")


def test_damaged_settings_that_cannot_be_kept_are_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"{]")
    (tmp_path / "settings.damaged").mkdir()
    with pytest.raises(SettingsUnusable, match="damaged"):
        SettingsStore(path)
    assert path.read_bytes() == b"{]"
