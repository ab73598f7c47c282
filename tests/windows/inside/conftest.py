"""What runs with Windows Python: real nodes with the Windows engine, and what is left of them."""

import json
import os
from pathlib import Path

import pytest

from app.engine.locate import SERVER_VARIABLE

AWKWARD = "Jörg 测试 🐪"


@pytest.fixture(scope="session")
def engine_folder() -> Path:
    """The folder of the Windows engine; the rig sets the variable."""
    return Path(os.environ[SERVER_VARIABLE])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with spaces and characters of three scripts, and no models but the demo's."""
    folder = tmp_path / AWKWARD
    folder.mkdir()
    settings = json.dumps({"use_known_folders": False, "name": AWKWARD})
    (folder / "settings.json").write_text(settings, "utf-8")
    return folder
