"""The tray program: its options, its refusals in plain sentences, its exit code."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.schema.errors import CaravanError
from app.system.files import plain_reason
from app.system.paths import Paths
from app.system.program import own_command
from app.system.single_instance import Claim, claim, hand_over, instance_name

SHOW = "show"
"""What a second start says to the first: show the window."""

ALREADY_THERE = "Caravan is already in the tray. Look for the llamas near the clock."
NO_TRAY = (
    "This desktop shows no tray icons, so Caravan's tray cannot be seen here. "
    "Run `caravan node` instead, or turn tray icons on (in GNOME: the AppIndicator extension)."
)
NO_DESKTOP = "There is no desktop in this session, so Caravan's tray cannot be shown. Run `caravan node` instead."


def main(argv: Sequence[str]) -> int:
    """Run the tray until it is quit. Returns 0, or 1 after it has said why it cannot run."""
    options = _parser().parse_args(list(argv))
    data_dir: Path | None = options.data_dir
    paths = Paths.under(data_dir) if data_dir else Paths.for_user()
    if not has_desktop(sys.platform, os.environ):
        return _refuse(NO_DESKTOP)
    try:
        paths.ensure()
        return _run_once(paths, data_dir, options.hidden)
    except CaravanError as error:
        return _refuse(f"{error.sentence} {error.hint}")
    except ImportError as error:
        return _refuse(f"Qt cannot be loaded: {error}. Run `caravan node` instead.")


def node_command(data_dir: Path | None) -> list[str]:
    """The argument list that starts this data folder's node."""
    return own_command("node", *(["--data-dir", os.path.abspath(data_dir.expanduser())] if data_dir else []))


def has_desktop(platform: str, environment: Mapping[str, str]) -> bool:
    """Whether Qt can find a display; without one it would end the whole process."""
    if platform in {"win32", "darwin"}:
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="caravan-tray", description="Caravan in the tray.")
    parser.add_argument("--data-dir", type=Path, help="Keep everything in this folder.")
    parser.add_argument("--hidden", action="store_true", help="Start in the tray, without the window.")
    return parser


def _run_once(paths: Paths, data_dir: Path | None, is_hidden: bool) -> int:
    """Run, or let the tray that runs already show its window."""
    name = instance_name(paths.data)
    try:
        held = claim(name)
    except OSError as error:
        return _refuse(f"Caravan cannot tell whether it runs already: {plain_reason(error)}.")
    if held is None:
        if not hand_over(name, SHOW):
            _say(ALREADY_THERE)
        return 0
    with held:
        return _run(paths, data_dir, held, is_hidden)


def _run(paths: Paths, data_dir: Path | None, held: Claim, is_hidden: bool) -> int:
    # Here and not above: a missing system library of Qt is told in a sentence.
    from app.ui.desktop import has_tray, make_application, serve
    from app.ui.sign_in import tray_command

    application = make_application()
    if not has_tray():
        return _refuse(NO_TRAY)
    return serve(application, paths, node_command(data_dir), held, tray_command(data_dir), is_hidden)


def _refuse(text: str) -> int:
    _say(text)
    return 1


def _say(text: str) -> None:
    if sys.platform == "win32":
        from app.ui.desktop import show_box

        show_box(text)
    elif sys.stderr is not None:
        sys.stderr.write(text + "\n")
