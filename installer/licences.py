"""The licence texts of everything that ships, collected from the installed packages."""

import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_TEXTS = ("licen", "copying", "notice", "authors")
"""Beginnings of the names of files that hold licence texts."""


class LicenceMissing(Exception):
    """Something ships that the notices do not name."""


def shipped(root: Path) -> dict[str, Distribution]:
    """Every package that Caravan needs to run here, by its canonical name, in order."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in project["dependencies"]]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name not in found and _applies(wanted):
            found[name] = distribution(name)
            waiting += [Requirement(text) for text in found[name].requires or ()]
    return dict(sorted(found.items()))


def _applies(wanted: Requirement) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": ""})


def unnamed(names: list[str], notices: str) -> list[str]:
    """Which packages the notices do not name."""
    known = {canonicalize_name(word) for word in notices.replace(",", " ").replace("|", " ").split()}
    return [name for name in names if name not in known]


def collect(root: Path, target: Path) -> None:
    """Put Caravan's licence, the notices and every text into a new folder `target`. Raises LicenceMissing."""
    found = shipped(root)
    missing = unnamed(list(found), (root / "THIRD-PARTY-NOTICES.md").read_text("utf-8"))
    if missing:
        raise LicenceMissing(f"THIRD-PARTY-NOTICES.md does not name: {', '.join(missing)}.")
    target.mkdir(parents=True)
    shutil.copyfile(root / "LICENSE", target / "LICENSE.txt")
    shutil.copyfile(root / "THIRD-PARTY-NOTICES.md", target / "THIRD-PARTY-NOTICES.md")
    for name, package in found.items():
        for number, text in enumerate(_texts(package)):
            folder = target / name
            folder.mkdir(exist_ok=True)
            shutil.copyfile(text, folder / (f"{number}-{text.name}" if (folder / text.name).exists() else text.name))
    python = Path(sys.base_prefix) / "LICENSE.txt"
    if python.is_file():
        (target / "python").mkdir()
        shutil.copyfile(python, target / "python" / python.name)


def _texts(package: Distribution) -> Iterator[Path]:
    for file in sorted(package.files or (), key=str):
        if file.parent.as_posix().partition("/")[0].endswith(".dist-info") and file.name.lower().startswith(_TEXTS):
            path = Path(str(package.locate_file(file)))
            if path.is_file():
                yield path
