"""Which hub this node asks, and as whom: settings, environment, the token that the user typed once."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from app.modelstore.hub.site import HubPlace, choose_place, clean_token, hub_address, tools_token_file
from app.schema.errors import InputError
from app.schema.settings import Settings
from app.system.files import plain_reason, write_atomically
from app.system.logs import Secrets
from app.system.protect import protect, unprotect

_LIMIT = 4096


class HubTokens:
    """The only writer of the file with the kept token. Every token that is used is kept out of logs."""

    def __init__(
        self,
        file: Path,
        settings: Callable[[], Settings],
        secrets: Secrets,
        home: Path,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._file = file
        self._settings = settings
        self._secrets = secrets
        self._home = home
        self._environment = environment

    async def place(self) -> HubPlace:
        """The hub as it is asked now."""
        return await asyncio.to_thread(self._place)

    def _place(self) -> HubPlace:
        base = hub_address(self._settings().hub_mirror, self._environment)
        tools = _text(tools_token_file(self._home, self._environment))
        found = choose_place(base, self._environment, self._kept(), tools)
        if found.token is not None:
            self._secrets.add(found.token)
        return found

    def _kept(self) -> str | None:
        try:
            with self._file.open("rb") as file:
                return unprotect(file.read(_LIMIT)).decode("ascii")
        except (OSError, ValueError):
            return None

    async def keep(self, token: str) -> None:
        """Keep a token, protected at rest. Raises InputError for what is none, or when it cannot be kept."""
        clean = clean_token(token)
        if clean is None:
            raise InputError("This is no access token.", "Copy it from your account's settings at the hub: hf_...")
        self._secrets.add(clean)
        try:
            await asyncio.to_thread(lambda: write_atomically(self._file, protect(clean.encode()), private=True))
        except OSError as error:
            raise InputError(
                f"The token cannot be kept: {plain_reason(error)}.", f"Check the disk that holds {self._file.parent}."
            ) from error

    async def forget(self) -> None:
        """Forget the kept token. Raises InputError when its file cannot be deleted."""
        try:
            await asyncio.to_thread(lambda: self._file.unlink(missing_ok=True))
        except OSError as error:
            raise InputError(f"The token cannot be deleted: {plain_reason(error)}.", f"Delete {self._file}.") from error


def _text(file: Path) -> str | None:
    try:
        with file.open("rb") as found:
            return found.read(_LIMIT).decode("ascii")
    except (OSError, ValueError):
        return None
