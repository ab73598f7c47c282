from pathlib import Path

import pytest

from app.identity.certificate import Identity, load_or_create


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    """Four nodes' identities; a session's worth, as tests only read them."""
    folders: list[Path] = [tmp_path_factory.mktemp(f"node {letter} ü") for letter in "abcd"]
    return [load_or_create(folder) for folder in folders]
