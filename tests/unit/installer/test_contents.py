"""What ships and what does not."""

import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.window.pages import ENTRIES
from installer.contents import (
    QT_PLUGINS,
    imported_qt,
    is_needed,
    is_wanted_module,
    kind_of_module,
    own_modules,
    resource_files,
)
from installer.licences import unnamed
from installer.program import SIZE_AIM, compress_library, shorten_metadata, size_report, sizes
from installer.version import version_numbers

ROOT = Path(__file__).resolve().parents[3]
USED = {"QtCore", "QtGui", "QtWidgets", "QtSvg"}


@pytest.mark.parametrize(
    "place",
    [
        "Qt6Core.dll",
        "PySide6\\Qt6Svg.dll",
        "PySide6/QtWidgets.pyd",
        "PySide6/pyside6.abi3.dll",
        "PySide6/MSVCP140.dll",
        "PySide6\\plugins\\platforms\\qwindows.dll",
        "python313.dll",
        "libcrypto-3.dll",
        "resources/icons/tray-16.svg",
        "pydantic-2.1.dist-info\\METADATA",
    ],
)
def test_it_belongs_there(place: str) -> None:
    assert is_needed(place, USED)


@pytest.mark.parametrize(
    "place",
    [
        "Qt6Qml.dll",
        "PySide6/Qt6Network.dll",
        "PySide6/QtNetwork.pyd",
        "PySide6/opengl32sw.dll",
        "opengl32sw.dll",
        "PySide6/translations/qt_de.qm",
        "PySide6/plugins/tls/qopensslbackend.dll",
        "PySide6/plugins/platforms/qoffscreen.dll",
        "cryptography-50.0.dist-info/sboms/cryptography-rust.cyclonedx.json",
        "pydantic-2.1.dist-info\\RECORD",
    ],
)
def test_it_does_not(place: str) -> None:
    assert not is_needed(place, USED)


@given(st.sets(st.sampled_from(["QtCore", "QtGui", "QtWidgets", "QtSvg", "QtNetwork"])), st.sampled_from(QT_PLUGINS))
def test_case_and_slashes_do_not_matter(modules: set[str], plugin: str) -> None:
    place = f"PySide6/plugins/{plugin}"
    assert is_needed(place, modules)
    assert is_needed(place.upper().replace("/", "\\"), modules)


def test_only_foreseen_parts_of_qt_are_used() -> None:
    assert imported_qt(path.read_text("utf-8") for path in (ROOT / "app").rglob("*.py")) >= {"QtCore", "QtWidgets"}
    with pytest.raises(ValueError, match="QtQuick"):
        imported_qt(["from PySide6.QtQuick import QQuickView"])


def test_resources_ship_without_what_made_them() -> None:
    files = {Path(source).name: target for source, target in resource_files(ROOT / "resources")}
    assert {"caravan-demo.gguf", "questions.toml", "engine-manifest.json", "tray-16.svg"} <= set(files)
    assert Path(files["caravan-demo.gguf"]) == Path("resources/demo_model")
    assert not any(name.endswith((".py", ".md", ".ico", ".manifest")) for name in files)


def test_modules_that_nobody_loads_stay_out() -> None:
    assert is_wanted_module("pygments.lexers.python")
    assert is_wanted_module("pydantic.main")
    assert not is_wanted_module("pygments.styles.monokai")
    assert not is_wanted_module("pydantic.v1.main")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("email.header", "PYMODULE-2"), ("pygments.lexer", "PYMODULE-2"), ("typer.main", "PYMODULE"), ("app", "PYMODULE")],
)
def test_docstrings_that_nobody_sees_do_not_ship(name: str, kind: str) -> None:
    assert kind_of_module(name, "PYMODULE") == kind


def test_pages_that_are_imported_by_name_ship() -> None:
    """Each page of the window is named by a text only, so that starting is fast."""
    found = set(own_modules(ROOT / "app"))
    assert {entry.module for entry in ENTRIES} <= found
    assert {"app.ui.program", "app.daemon.run", "app.tunnel"} <= found
    assert "app.ui.screenshots" not in found


def test_packages_keep_the_fields_of_their_metadata(tmp_path: Path) -> None:
    file = tmp_path / "a-1.dist-info" / "METADATA"
    file.parent.mkdir()
    file.write_bytes(b"Name: a\r\nVersion: 1\r\n\r\n# A long page\r\n")
    shorten_metadata(tmp_path)
    assert file.read_bytes() == b"Name: a\nVersion: 1\n"


def test_the_first_modules_are_packed_and_stay_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "base_library.zip"
    modules = {"enum.pyc": b"a" * 5000, "abc.pyc": b"b"}
    with zipfile.ZipFile(file, "w") as plain:
        for name, code in modules.items():
            plain.writestr(zipfile.ZipInfo(name), code)
    compress_library(file)
    with zipfile.ZipFile(file) as packed:
        assert packed.namelist() == sorted(modules)
        assert {name: packed.read(name) for name in modules} == modules
    assert file.stat().st_size < 1000


def test_a_package_without_notice_is_found() -> None:
    assert unnamed(["fastapi-offline", "h11"], "| fastapi_offline | MIT |") == ["h11"]


@pytest.mark.parametrize(
    ("version", "numbers"), [("0.1.0", (0, 1, 0, 0)), ("12.3", (12, 3, 0, 0)), ("1.2.3.4", (1, 2, 3, 4))]
)
def test_versions_have_four_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(version) == numbers


def test_a_version_without_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        version_numbers("unknown")


def test_sizes_count_the_shared_modules_once(tmp_path: Path) -> None:
    (tmp_path / "Caravan.pkg").write_bytes(b"12345")
    (tmp_path / "caravan-cli.pkg").write_bytes(b"12345")
    found = sizes(tmp_path)
    assert sum(found.values()) == 5
    assert "within" in next(size_report(found))
    assert "OVER" in next(size_report({Path("a"): SIZE_AIM + 1}))


def test_the_icon_has_every_size_that_windows_asks_for() -> None:
    data = (ROOT / "resources" / "windows" / "caravan.ico").read_bytes()
    zero, kind, count = struct.unpack_from("<3H", data)
    assert (zero, kind) == (0, 1)
    entries = [struct.unpack_from("<4B2H2I", data, 6 + 16 * index) for index in range(count)]
    assert [entry[0] or 256 for entry in entries] == [16, 20, 24, 32, 40, 48, 64, 128, 256]
    for *_, length, place in entries:
        assert data[place : place + 4] == b"\x89PNG"
        assert place + length <= len(data)


def test_the_manifest_asks_for_no_rights_and_says_what_it_can() -> None:
    text = (ROOT / "resources" / "windows" / "caravan.manifest").read_text("utf-8")
    for wanted in ('level="asInvoker"', "PerMonitorV2", "<longPathAware", ">UTF-8</activeCodePage>"):
        assert wanted in text
