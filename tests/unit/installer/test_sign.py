"""Signing and the winget manifest."""

import hashlib
import re
from pathlib import Path

import pytest

from installer.sign import FILE, PASSWORD, THUMBPRINT, is_configured, sign, sign_command
from installer.winget_manifest import TEMPLATES, filled, write

SETUP = Path("Caravan setup.exe")


def test_without_a_certificate_nothing_is_signed(tmp_path: Path) -> None:
    file = tmp_path / "a.exe"
    file.write_bytes(b"MZ")
    assert not is_configured({})
    assert sign([file], {}) is False
    assert file.read_bytes() == b"MZ"


def test_windows_signs_with_a_certificate_of_its_store_or_a_file() -> None:
    stored = sign_command(SETUP, {THUMBPRINT: "ab12"}, windows=True)
    assert stored[:2] == ["signtool", "sign"]
    assert stored[-3:] == ["/sha1", "ab12", "Caravan setup.exe"]
    from_file = sign_command(SETUP, {FILE: "c.pfx", PASSWORD: "secret"}, windows=True)
    assert from_file[-5:] == ["/f", "c.pfx", "/p", "secret", "Caravan setup.exe"]
    assert {"/fd", "/tr", "/td"} <= set(stored)


def test_elsewhere_only_a_file_will_do() -> None:
    command = sign_command(SETUP, {FILE: "c.pfx"}, windows=False)
    assert command[0] == "osslsigncode"
    assert command[-4:] == ["-in", "Caravan setup.exe", "-out", "Caravan setup.exe.signed"]
    with pytest.raises(ValueError, match=FILE):
        sign_command(SETUP, {THUMBPRINT: "ab12"}, windows=False)


def test_the_winget_manifest_names_this_very_installer(tmp_path: Path) -> None:
    setup = tmp_path / "setup.exe"
    setup.write_bytes(b"MZ")
    files = {
        file.name: file.read_text("utf-8") for file in write(setup, "https://example.org/s.exe", 0, tmp_path / "m")
    }
    assert sorted(files) == [
        "Caravan.Caravan.installer.yaml",
        "Caravan.Caravan.locale.en-US.yaml",
        "Caravan.Caravan.yaml",
    ]
    installer = files["Caravan.Caravan.installer.yaml"]
    assert installer.count(hashlib.sha256(b"MZ").hexdigest().upper()) == 2
    assert "ReleaseDate: 1970-01-01" in installer
    assert not any(re.search(r"@[A-Z]", text) for text in files.values())


def test_a_blank_without_a_value_is_an_error() -> None:
    assert len(list(TEMPLATES.glob("*.yaml"))) == 3
    with pytest.raises(KeyError):
        filled("a: @MISSING@", {})
