"""Where the rig keeps what, on this machine and as Windows programs see it."""

import os
from dataclasses import dataclass
from pathlib import Path

VERSION = 1
"""Of the folder's layout; a changed layout gets a folder of its own."""

_NAME = "caravan-windows-rig-"

FOLDER_VARIABLE = "CARAVAN_WINDOWS_RIG"

REPOSITORY = Path(__file__).resolve().parents[2]

PYTHON = "Z:\\windows\\python\\python.exe"
PACKAGING_PYTHON = "Z:\\windows\\packaging\\python\\python.exe"
ENGINE = "Z:\\windows\\engine"
CHECKOUT = "Z:\\caravan"
SCRATCH = "Z:\\scratch"


@dataclass(frozen=True)
class Places:
    """The folders of one rig below `root`."""

    root: Path

    @property
    def chroot(self) -> Path:
        """Debian 13 with Wine, Xvfb and the cross compiler."""
        return self.root / "chroot"

    @property
    def windows(self) -> Path:
        """What Windows programs find at `Z:\\windows`: `python`, `packages`, `engine`."""
        return self.root / "windows"

    @property
    def first_prefix(self) -> Path:
        """A Wine prefix as `wineboot` makes it; throw-away ones are copies."""
        return self.root / "first-prefix"

    @property
    def prefixes(self) -> Path:
        """Wine prefixes that have a name, and `.throw-away-*` ones."""
        return self.root / "prefixes"

    @property
    def stamps(self) -> Path:
        """One file per finished step: what it was made from."""
        return self.root / "stamps"

    @property
    def work(self) -> Path:
        """Sources and objects while a step runs."""
        return self.root / "work"

    @property
    def scratch(self) -> Path:
        """What Windows programs may write at `Z:\\scratch`, kept from run to run (compiled Python)."""
        return self.root / "scratch"


def rig_places() -> Places:
    """The rig of this user: `~/.cache/caravan-windows-rig-VERSION`, or what CARAVAN_WINDOWS_RIG names."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Places(Path(chosen) if chosen else Path.home() / ".cache" / f"{_NAME}{VERSION}")


def older_rigs(places: Places) -> tuple[Path, ...]:
    """Folders beside this rig that an older layout used; none when the rig has a name of its own."""
    if places.root.name != f"{_NAME}{VERSION}":
        return ()
    older = (places.root.with_name(f"{_NAME}{number}") for number in range(1, VERSION))
    return tuple(folder for folder in older if folder.is_dir())
