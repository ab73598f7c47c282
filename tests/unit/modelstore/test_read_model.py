"""A model given by its path lies outside every folder and is still one model."""

from pathlib import Path

import pytest

from app.modelstore.catalogue import read_model
from app.schema.errors import ModelNotFound


def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="There is no file"):
        read_model(tmp_path / "none.gguf")


def test_a_file_that_is_no_model_keeps_its_problem(tmp_path: Path) -> None:
    path = tmp_path / "模型 🐪.gguf"
    path.write_bytes(b"")
    model = read_model(path)
    assert model.id == "模型 🐪"
    assert model.path == str(path)
    assert model.shape is None
    assert model.problem is not None
