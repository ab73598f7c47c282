from pathlib import Path

import pytest

from app.identity.certificate import Identity, load_or_create


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    """Four nodes' identities; a session's worth, as these tests only read them."""
    folders: list[Path] = [tmp_path_factory.mktemp(f"pc {letter} ü") for letter in "abcd"]
    return [load_or_create(folder) for folder in folders]


@pytest.fixture
def own_identities(tmp_path: Path) -> list[Identity]:
    """Three identities that a test may delete, in `identity 0` and so on."""
    folders = [tmp_path / f"identity {number}" for number in range(3)]
    for folder in folders:
        folder.mkdir()
    return [load_or_create(folder) for folder in folders]
