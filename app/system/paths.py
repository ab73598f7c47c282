"""Where Caravan keeps its files: in this user's own folders, or all below one folder given with `--data-dir`."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.system.files import plain_reason

if TYPE_CHECKING:
    from app.schema.errors import DataFolderUnusable

_PROBE_BYTES = 4096


@dataclass(frozen=True)
class Paths:
    """The folders and files of one node. Nothing is created before `ensure`."""

    data: Path
    """What must survive: identity, trust, engines, models."""
    settings: Path
    """The settings file."""
    cache: Path
    """What may be deleted at any time."""
    logs: Path
    """Log files of the node and of its children."""

    @classmethod
    def for_user(cls) -> "Paths":
        """This user's own folders, as the platform names them. On Windows all lie in `%LOCALAPPDATA%\\Caravan`."""
        # Here, as below: the tray's icon is there before anything is loaded that it can do without.
        from platformdirs import PlatformDirs

        folders = PlatformDirs("Caravan", appauthor=False)
        settings = folders.user_config_path / "settings.json"
        return cls(folders.user_data_path, settings, folders.user_cache_path, folders.user_log_path)

    @classmethod
    def under(cls, root: Path) -> "Paths":
        """Everything below `root`, so that several nodes can live on one PC."""
        root = Path(os.path.abspath(root.expanduser()))
        return cls(root, root / "settings.json", root / "cache", root / "logs")

    @property
    def engine(self) -> Path:
        """Folder of the installed llama.cpp builds."""
        return self.data / "engine"

    @property
    def engine_downloads(self) -> Path:
        """Folder of the archives of llama.cpp that are on their way; emptied by each install."""
        return self.cache / "engine"

    @property
    def kept_weights(self) -> Path:
        """Folder of the weights that workers were sent once; whoever removes it makes the next load slower."""
        return self.cache / "kept-weights"

    @property
    def models(self) -> Path:
        """Folder of this node's own GGUF files."""
        return self.data / "models"

    @property
    def run(self) -> Path:
        """Folder for files that live as long as the node runs."""
        return self.data / "run"

    @property
    def api_token(self) -> Path:
        """File with the bearer token of the local API; readable by this user only."""
        return self.data / "api-token"

    @property
    def endpoint(self) -> Path:
        """File that says where the running node listens."""
        return self.data / "node.json"

    @property
    def downloads(self) -> Path:
        """File with the list of downloads."""
        return self.data / "downloads.json"

    @property
    def hub_token(self) -> Path:
        """File with the access token for the model hub that the user typed, protected."""
        return self.data / "hub-token"

    @property
    def lock(self) -> Path:
        """File locked by the node that owns the data folder."""
        return self.data / "lock"

    @property
    def trust(self) -> Path:
        """File with the list of the cluster's PCs."""
        return self.data / "trust.json"

    @property
    def last_launches(self) -> Path:
        """File that says how each model was launched last."""
        return self.data / "launches.json"

    def folders(self) -> Iterator[Path]:
        """Every folder that `ensure` creates, each once."""
        yield from dict.fromkeys(
            (self.data, self.settings.parent, self.cache, self.logs, self.engine, self.models, self.run)
        )

    def ensure(self) -> None:
        """Create the folders, new ones readable by this user only, and prove that the data folder takes a file.

        Raises DataFolderUnusable that names the folder and the reason.
        """
        for folder in self.folders():
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise _unusable(folder, error) from error
        try:
            _prove_writable(self.data)
        except OSError as error:
            raise _unusable(self.data, error) from error


def _prove_writable(folder: Path) -> None:
    probe = folder / f".probe-{os.urandom(4).hex()}"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _unusable(folder: Path, error: OSError) -> "DataFolderUnusable":
    from app.schema.errors import DataFolderUnusable

    return DataFolderUnusable(
        f"Caravan cannot use its folder {folder}: {plain_reason(error)}.",
        "Make room or allow writing there, or choose another folder with --data-dir.",
        (str(error),),
    )


def resources_folder() -> Path:
    """Folder of what ships with the program (icons, style, manifests): in the frozen build, else in the checkout."""
    frozen = getattr(sys, "_MEIPASS", None)
    root = Path(frozen) if frozen else Path(__file__).resolve().parents[2]
    return root / "resources"


def bundled_engine_folder() -> Path | None:
    """Folder of the llama.cpp that the installer put beside the frozen programs; it need not exist. None elsewhere."""
    return Path(sys.executable).parent / "engine" if getattr(sys, "frozen", False) else None
