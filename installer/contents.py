"""What goes into the Windows program and what does not: pure decisions, used by `build.spec`."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

WINDOWED = "Caravan"
CONSOLE = "caravan-cli"

EXCLUDED = (
    "tkinter",
    "unittest",
    "pydoc",
    "doctest",
    "setuptools",
    "pkg_resources",
    "distutils",
    "pip",
    "bz2",
    "lzma",
    "xmlrpc",
    "plistlib",
    "smtplib",
    "ftplib",
    "_decimal",
    "_pydatetime",
)
"""Modules that something imports only in case, and Caravan never needs."""

_NEVER_LOADED = ("pydantic.v1", "pydantic.mypy", "anyio._backends._trio", "asyncio.unix_events")
"""A whole older library that pydantic carries along, and halves of packages that are for others than us."""

_DOCUMENTED = ("app", "typer", "click", "fastapi", "starlette", "pydantic", "pydantic_settings")
"""Packages whose docstrings people may see: as help of a command, as description of the API."""

_RECORDS_KEPT = ("METADATA", "entry_points.txt")
"""Of what a package says about itself, what it may ask for when it runs. Licence texts are collected apart."""

_COLOURS = ("pygments.styles.", "pygments.formatters.")
_COLOURS_KEPT = ("_mapping", "default", "_ansi")
"""Of the looks that pygments has, what it loads by itself. Its languages all ship: any may stand in a chat."""

_NOT_FOR_USE = ("sample", "screenshots", "showcase", "__main__", "__init__")
"""Beginnings of the names of our modules that only make pictures, and of those that Python finds by itself."""

RESOURCES = (
    "icons/*.svg",
    "style/**/*",
    "demo_model/caravan-demo.gguf",
    "demo_model/questions.toml",
    "engine-manifest.json",
)
"""What of `resources/` ships: not the training of the demo model, nor what only the build needs."""

QT_MODULES = ("QtCore", "QtGui", "QtWidgets", "QtSvg", "QtNetwork")
"""What may be used of Qt; the build fails at anything else, and leaves out what `app/` does not import."""

QT_PLUGINS = (
    "platforms/qwindows.dll",
    "iconengines/qsvgicon.dll",
    "imageformats/qsvg.dll",
    "imageformats/qico.dll",
    "imageformats/qjpeg.dll",
    "imageformats/qgif.dll",
)

_QT_ALSO = ("pyside6.abi3.dll", "msvcp", "vcruntime", "concrt")
"""Beginnings of what else Qt's own folder needs: its Python half and Microsoft's C++ library."""

_QT_UNUSED = ("opengl32sw.dll", "d3dcompiler_47.dll")
"""For drawing with OpenGL and Direct3D; widgets use neither."""


def resource_files(folder: Path) -> list[tuple[str, str]]:
    """Each shipped file of the resources folder with its folder in the program, in a fixed order."""
    found = {path for pattern in RESOURCES for path in folder.glob(pattern) if path.is_file()}
    return [(str(path), str(Path("resources", path.relative_to(folder).parent))) for path in sorted(found)]


def own_modules(package: Path) -> list[str]:
    """Every module of our package `package`, in a fixed order: some are imported by a name that a text holds."""
    files = (path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py"))
    return sorted(".".join(file.parts) for file in files if not file.name.startswith(_NOT_FOR_USE))


def is_wanted_module(name: str) -> bool:
    """Whether a Python module that was found ships."""
    if name.startswith(_NEVER_LOADED):
        return False
    group = next((group for group in _COLOURS if name.startswith(group)), None)
    return group is None or name.removeprefix(group) in _COLOURS_KEPT


def kind_of_module(name: str, kind: str) -> str:
    """PyInstaller's kind of the module `name`: those whose docstrings nobody sees ship without them."""
    return "PYMODULE-2" if kind == "PYMODULE" and name.split(".")[0] not in _DOCUMENTED else kind


def imported_qt(sources: Iterable[str]) -> set[str]:
    """Names such as `QtCore` of the Qt modules that Python sources import. Raises ValueError for one not foreseen."""
    found = {name for text in sources for name in re.findall(r"PySide6\.(\w+)", text)}
    if not found <= set(QT_MODULES):
        raise ValueError(f"Not foreseen in installer/contents.py: {', '.join(sorted(found - set(QT_MODULES)))}.")
    return found


def is_needed(place: str, modules: Iterable[str]) -> bool:
    """Whether a file at `place` in the program belongs there when only these Qt modules are used.

    Qt's libraries lie in the folder `PySide6` or, as the program's loader finds them too, beside it.
    """
    file = PurePosixPath(PureWindowsPath(place.lower()).as_posix())
    inner = file.relative_to("pyside6") if file.is_relative_to("pyside6") else None
    libraries = {f"qt6{name.removeprefix('Qt').lower()}.dll" for name in modules}
    if file.name.startswith("qt6"):
        return file.name in libraries
    if any(part.endswith(".dist-info") for part in file.parts):
        return file.name in map(str.lower, _RECORDS_KEPT)
    if inner is None:
        return file.name not in _QT_UNUSED
    if inner.parts[0] == "plugins":
        return str(inner.relative_to("plugins")) in QT_PLUGINS
    wrappers = {f"{name.lower()}.pyd" for name in modules}
    return len(inner.parts) == 1 and (inner.name in wrappers or inner.name.startswith(_QT_ALSO))
