"""`python -m tests.windows.rig COMMAND`: Windows programs on this Linux machine, under Wine 10.

build       make what is missing, print each step and its seconds
run         run a Windows program: run [--prefix NAME] [--netns NAME] PROGRAM ARGS; `python` and the engine's programs
            go by their plain names
shell       a bash inside, with the same mounts, for looking around
test        pytest with Windows Python: test -- PYTEST ARGS
package     build the program and its installer: package FOLDER [--engine]
screenshot  start a program on a screen and keep a picture: screenshot FILE -- PROGRAM ARGS

Needs root and Debian 12 or later. Everything lies in `~/.cache/caravan-windows-rig-N`, or in what CARAVAN_WINDOWS_RIG
names. Each run has its own process and mount namespaces, so nothing of it outlives it.
"""

import argparse
import fcntl
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.windows import package
from tests.windows.places import ENGINE, PYTHON, Places, older_rigs, rig_places
from tests.windows.steps import PROGRAMS, StepFailed, do, is_done, steps, why_not_here
from tests.windows.wine import Setting, prefix_folder, remove_abandoned, screenshot_command, windows_command

NAMES = {"python": PYTHON, **{name: f"{ENGINE}\\{name}.exe" for name in PROGRAMS}}
SCRATCH_BYTES = 500 << 20
"""What Windows programs may keep from run to run before it is thrown away: compiled Python of one checkout is 60 MB."""

PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:pytest-qt", "--hypothesis-profile=ci")
"""Hypothesis' own profile `ci` has no deadline for an example: Wine's disk is slow."""


def whole(program: Sequence[str]) -> list[str]:
    """An argument list whose program is named in full."""
    first, *rest = program
    return [NAMES.get(first, first), *rest]


def build(places: Places) -> None:
    """Make what is missing or was made from something else. Raises StepFailed."""
    places.root.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (places.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(places.work, ignore_errors=True)
        _tidy(places)
        for step in steps(places):
            if is_done(places, step):
                _say(f"{step.name}: there")
                continue
            _say(f"{step.name}: making {step.says} ...")
            _say(f"{step.name}: {do(places, step):.0f} s")
    _say(f"Windows rig: {places.root}, {time.monotonic() - began:.1f} s")


def _tidy(places: Places) -> None:
    """Keep the rig from growing for ever: remove older layouts, and what runs kept for the next when it became much."""
    remove_abandoned(places)
    kept = sum(file.stat().st_size for file in places.scratch.rglob("*") if file.is_file())
    for folder in (*older_rigs(places), *((places.scratch,) if kept > SCRATCH_BYTES else ())):
        _say(f"removing {folder}")
        shutil.rmtree(folder, ignore_errors=True)
    places.scratch.mkdir(parents=True, exist_ok=True)


def missing(places: Places) -> str | None:
    """Why tests cannot use the rig: another system, no root, or what is not built; None when it is ready."""
    why = why_not_here()
    if why is not None:
        return why
    undone = [step.name for step in steps(places) if not is_done(places, step)]
    return f"not built ({', '.join(undone)}): `python -m tests.windows.rig build`" if undone else None


def run(places: Places, program: Sequence[str], setting: Setting) -> int:
    """Run a Windows program on this terminal; returns its exit code, cut to 8 bits as Linux does."""
    with prefix_folder(places, setting.prefix) as prefix:
        argv = windows_command(places, whole(program), setting, prefix)
        return subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode


def shell(places: Places, setting: Setting) -> int:
    """A bash in the chroot on this terminal."""
    with prefix_folder(places, setting.prefix) as prefix:
        argv = windows_command(places, ["--version"], setting, prefix)
        return subprocess.run([*argv[:-1], _interactive(argv[-1])], check=False).returncode


def _interactive(script: str) -> str:
    """The same mounts and environment, and bash instead of the program's script."""
    head, _, _ = script.partition(" bash -c ")
    return f"{head} bash"


def screenshot(places: Places, file: Path, program: Sequence[str], setting: Setting, seconds: float) -> int:
    """A picture of a Windows program, `seconds` after its start, as PNG."""
    with prefix_folder(places, setting.prefix) as prefix, tempfile.TemporaryDirectory() as folder:
        argv = screenshot_command(places, whole(program), setting, prefix, Path(folder), seconds)
        code = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode
        sys.stderr.write((Path(folder) / "output.txt").read_text("utf-8", "replace"))
        if code == 0:
            shutil.copyfile(Path(folder) / "screen.png", file)
        return code


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests.windows.rig", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    packaged = commands.add_parser("package")
    packaged.add_argument("folder", type=Path)
    packaged.add_argument("--engine", action="store_true", help="put the rig's llama.cpp into the installer")
    shown = commands.add_parser("screenshot")
    shown.add_argument("file", type=Path)
    shown.add_argument("--seconds", type=float, default=10.0)
    for each in (commands.add_parser("shell"), commands.add_parser("run"), commands.add_parser("test"), shown):
        each.add_argument("--prefix", help="a Wine prefix that stays; without it a throw-away one")
        each.add_argument("--netns", help="a network namespace, one for each PC to play")
        each.add_argument("--user", default="root", help="the Windows user's name")
        each.add_argument("--screen", action="store_true", help="give it a screen (Xvfb)")
        if each.prog.split()[-1] != "shell":
            each.add_argument("program", nargs=argparse.REMAINDER)
    return parser


def main() -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args()
    places = rig_places()
    why = why_not_here() if options.command == "build" else missing(places)
    if why is not None:
        sys.stderr.write(f"No Windows rig: {why}.\n")
        return 2
    if options.command == "build":
        try:
            build(places)
        except StepFailed as error:
            sys.stderr.write(f"The Windows rig could not be built. {error}\n")
            return 1
        return 0
    if options.command == "package":
        try:
            package.make(places, options.folder, options.engine)
        except (RuntimeError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"The installer could not be built. {error}\n")
            return 1
        return 0
    setting = Setting(prefix=options.prefix, netns=options.netns, user=options.user, screen=options.screen)
    return _start(places, options, setting)


def _start(places: Places, options: argparse.Namespace, setting: Setting) -> int:
    if options.command == "shell":
        return shell(places, setting)
    program = [part for part in options.program if part != "--"] if options.program[:1] == ["--"] else options.program
    if options.command == "test":
        program = ["python", *PYTEST, *program]
    if not program:
        sys.stderr.write("Which program?\n")
        return 2
    if options.command == "screenshot":
        return screenshot(places, options.file, program, setting, options.seconds)
    return run(places, program, setting)


if __name__ == "__main__":
    sys.exit(main())
