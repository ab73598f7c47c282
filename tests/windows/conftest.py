"""What runs where: `inside/` and `installed/` with Windows Python only, everything else here on Linux only."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    collect_ignore = ["test_on_windows.py", "test_installed.py"]
else:
    collect_ignore = ["inside", "installed"]

    from tests.windows import package
    from tests.windows.in_wine import wanted_rig

    BUILT = "CARAVAN_WINDOWS_PACKAGE"
    """The environment variable that names a folder for which `rig package --engine` was started; else it is built."""

    @pytest.fixture(scope="session")
    def setup() -> Iterator[Path]:
        """The installer, with the rig's llama.cpp inside. The program itself lies beside it."""
        rig = wanted_rig()
        built = os.environ.get(BUILT)
        if built:
            yield package.made(Path(built))
            return
        with tempfile.TemporaryDirectory(prefix="caravan-package-") as folder:
            yield package.make(rig, Path(folder), with_engine=True)
