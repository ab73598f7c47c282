"""The settings of a node: loaded once, changed by replacing the whole, saved before they count."""

import logging
import shutil
from pathlib import Path

from app.schema.errors import InputError, SettingsUnusable
from app.schema.settings import Settings
from app.system.files import plain_reason, read_json, write_atomically

logger = logging.getLogger("caravan.node.settings")


class SettingsStore:
    """The only writer of the settings file. A damaged file is kept beside it as `.damaged` and defaults are used."""

    def __init__(self, path: Path) -> None:
        """Read the file (blocking). Raises SettingsUnusable when that is refused: defaults would be saved over it."""
        self._path = path
        self._settings = _load(path)

    @property
    def current(self) -> Settings:
        """The settings that hold now."""
        return self._settings

    def replace(self, settings: Settings) -> None:
        """Save and use new settings. Raises InputError when they cannot be saved; the old ones then stay."""
        try:
            write_atomically(self._path, settings.model_dump_json(indent=2).encode())
        except OSError as error:
            raise InputError(
                f"The settings cannot be saved: {plain_reason(error)}.", f"Check the disk that holds {self._path}."
            ) from error
        self._settings = settings


def _load(path: Path) -> Settings:
    try:
        return _read(path)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise SettingsUnusable(
            f"Caravan cannot read its settings in {path}: {plain_reason(error)}.",
            "Allow reading them, or close the program that holds them open. Or delete them: defaults are used then.",
            (str(error),),
        ) from error


def _read(path: Path) -> Settings:
    try:
        return Settings.model_validate(read_json(path))
    except ValueError as error:
        _keep_damaged(path, path.with_suffix(".damaged"), str(error))
        return Settings()


def _keep_damaged(path: Path, kept: Path, reason: str) -> None:
    try:
        shutil.copyfile(path, kept)
    except OSError as error:
        raise SettingsUnusable(
            f"Caravan's settings in {path} are damaged and cannot be kept as {kept.name}: {plain_reason(error)}.",
            f"Make room or allow writing there, or delete {kept.name}. Or delete the settings: defaults are used then.",
            (str(error), reason),
        ) from error
    logger.warning(
        "settings in %s are damaged; defaults are used, the damaged file is kept as %s: %s", path, kept.name, reason
    )
