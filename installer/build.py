"""`python -m installer.build FOLDER`, on Windows: the program, its signature, the installer, its signature.

Needs NSIS and the packages of `uv sync --locked --no-default-groups --group package`. The rig does
the same on Linux: `python -m tests.windows.rig package FOLDER`.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from installer import contents, program, setup, sign

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Tools:
    """What differs between Windows and the rig.

    `make_program` builds into a folder, `run_makensis` takes an argument list, `seen` tells how makensis sees a path.
    `sign_command` is for makensis to sign the uninstaller with; None when it cannot or need not.
    """

    make_program: Callable[[Path], None]
    run_makensis: Callable[[list[str]], None]
    seen: Callable[[Path], PurePath]
    sign_command: str | None


def say(line: str) -> None:
    """A line for the person who builds."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def package(folder: Path, tools: Tools, engine: Path | None) -> Path:
    """Everything, in order; returns the installer. `engine` is a folder of a Windows llama.cpp to put into it."""
    folder.mkdir(parents=True, exist_ok=True)
    tools.make_program(folder)
    made = folder / contents.WINDOWED
    if engine is not None:
        add_engine(made, engine)
    _sign([made / f"{name}.exe" for name in (contents.WINDOWED, contents.CONSOLE)])
    installer = make_setup(folder, tools)
    _sign([installer])
    digest = hashlib.sha256(installer.read_bytes()).hexdigest()
    say(f"{installer}: {installer.stat().st_size / (1 << 20):.1f} MB, SHA-256 {digest}")
    return installer


def add_engine(made: Path, engine: Path) -> None:
    """Copy a llama.cpp beside the programs, with one date for all its files."""
    target = made / setup.ENGINE_FOLDER
    shutil.copytree(engine, target)
    date = program.source_date()
    for file in target.rglob("*"):
        os.utime(file, (date, date))


def make_setup(folder: Path, tools: Tools) -> Path:
    """The installer of the program in `folder`."""
    began = time.monotonic()
    made, generated = folder / contents.WINDOWED, folder / "generated"
    installer = folder / setup.setup_name()
    setup.write_lists(made, tools.seen(made), generated)
    given = setup.Ingredients(
        root=tools.seen(ROOT),
        generated=tools.seen(generated),
        outfile=tools.seen(installer),
        size=sum(program.sizes(made).values()),
        sign_command=tools.sign_command,
    )
    tools.run_makensis(setup.makensis_command("makensis", given))
    shutil.rmtree(generated)
    say(f"installer made in {time.monotonic() - began:.0f} s")
    return installer


def _sign(files: list[Path]) -> None:
    names = ", ".join(file.name for file in files)
    say(f"{names}: signed" if sign.sign(files) else f"{names}: {sign.NOT_CONFIGURED}")


def _make_program(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "installer.program", str(folder)], cwd=ROOT, check=True)


def _makensis() -> str:
    """NSIS's compiler, on PATH or where NSIS puts itself."""
    usual = Path(os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")) / "NSIS" / "makensis.exe"
    return shutil.which("makensis") or str(usual)


def _run_makensis(argv: list[str]) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(program.source_date())}
    subprocess.run([_makensis(), *argv[1:]], cwd=ROOT, env=environment, check=True)


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="installer.build", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to put everything")
    parser.add_argument("--engine", type=Path, help="a folder of a Windows llama.cpp to put into the installer")
    given = parser.parse_args()
    if sys.platform != "win32":
        sys.stderr.write("This builds on Windows; here: python -m tests.windows.rig package FOLDER\n")
        return 2
    command = f'"{sys.executable}" -m installer.sign' if sign.is_configured(os.environ) else None
    package(given.folder.absolute(), Tools(_make_program, _run_makensis, lambda path: path, command), given.engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
