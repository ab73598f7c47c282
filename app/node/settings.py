"""The settings of a node: loaded once, changed by replacing the whole, saved before they count."""

import logging
import shutil
from pathlib import Path

from pydantic import ValidationError

from app.schema.errors import InputError
from app.schema.settings import Settings
from app.system.files import plain_reason, read_json_or_none, write_atomically

logger = logging.getLogger("caravan.node.settings")


class SettingsStore:
    """The only writer of the settings file. A damaged file is kept beside it as `.damaged` and defaults are used."""

    def __init__(self, path: Path) -> None:
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
    if not path.exists():
        return Settings()
    try:
        return Settings.model_validate(read_json_or_none(path))
    except ValidationError:
        kept = path.with_suffix(".damaged")
        shutil.copyfile(path, kept)
        logger.warning("settings in %s are damaged; defaults are used, the damaged file is kept as %s", path, kept.name)
        return Settings()
