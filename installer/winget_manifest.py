"""`python -m installer.winget_manifest SETUP URL FOLDER`: fill the winget manifest for a finished installer."""

import argparse
import hashlib
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from app import __version__
from installer import version

IDENTIFIER = "Caravan.Caravan"
TEMPLATES = Path(__file__).with_name("winget")

_BLANK = re.compile(r"@([A-Z0-9]+)@")


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its blanks filled. Raises KeyError for a blank without a value."""
    return _BLANK.sub(lambda found: values[found.group(1)], template)


def values_for(setup: Path, url: str, date: int) -> dict[str, str]:
    """What the blanks stand for; `date` is seconds since 1970."""
    digest = hashlib.sha256(setup.read_bytes()).hexdigest().upper()
    day = datetime.fromtimestamp(date, UTC).date().isoformat()
    return {
        "IDENTIFIER": IDENTIFIER,
        "VERSION": __version__,
        "PUBLISHER": version.COMPANY,
        "URL": url,
        "SHA256": digest,
        "DATE": day,
    }


def write(setup: Path, url: str, date: int, folder: Path) -> list[Path]:
    """Write the three files that winget's repository wants; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    values = values_for(setup, url, date)
    written = []
    for template in sorted(TEMPLATES.glob("*.yaml")):
        suffix = "" if template.stem == "version" else f".{template.stem}"
        file = folder / f"{IDENTIFIER}{suffix}.yaml"
        file.write_text(filled(template.read_text("utf-8"), values), "utf-8", newline="\n")
        written.append(file)
    return written


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="installer.winget_manifest", description=__doc__)
    parser.add_argument("setup", type=Path)
    parser.add_argument("url", help="where this very file will be for download")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    date = int(datetime.now(UTC).timestamp())
    for file in write(given.setup, given.url, date, given.folder):
        sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
