"""A stage that is taken down again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.schema.node import Status
from app.schema.settings import Settings
from app.system.paths import Paths
from app.ui.settings.sample import SampleNode, log_lines, status
from tests.ui.settings.settings_stage import Play, Stage


@pytest.fixture(autouse=True)
def _own_autostart_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def play(application: QApplication, paths: Paths) -> Iterator[Play]:
    stages: list[Stage] = []

    def begin(settings: Settings | None = None, lines: int = 300, shown: Status | None = None) -> Stage:
        held = settings or Settings()
        stages.append(Stage(paths, shown or status(settings=held), SampleNode(held, log_lines(lines))))
        return stages[-1]

    yield begin
    for stage in stages:
        stage.end()
