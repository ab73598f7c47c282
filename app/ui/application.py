"""The tray program: its options, its refusals in plain sentences, its exit code."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.system.files import plain_reason
from app.system.paths import Paths
from app.system.single_instance import Claim, claim, hand_over, instance_name
from app.ui.commands import HIDDEN, node_command, tray_command

SHOW = "show"
"""What a second start says to the first: show the window."""

ALREADY_THERE = "Caravan runs already. Look for the llamas near the clock, or for its window."
NO_DESKTOP = "There is no desktop in this session, so Caravan's window cannot be shown. Run `caravan node` instead."


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
    except ImportError as error:
        return _refuse(f"Qt cannot be loaded: {error}. Run `caravan node` instead.")
    except Exception as error:  # noqa: BLE001  `_sentence` raises what is no error of ours
        return _refuse(_sentence(error))


def has_desktop(platform: str, environment: Mapping[str, str]) -> bool:
    """Whether Qt can find a display; without one it would end the whole process."""
    if platform in {"win32", "darwin"}:
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="caravan-tray", description="Caravan in the tray.")
    parser.add_argument("--data-dir", type=Path, help="Keep everything in this folder.")
    parser.add_argument(HIDDEN, action="store_true", help="Start in the tray, without the window.")
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
    from app.ui.desktop import has_tray, make_application, serve, starting_icon

    application = make_application()
    icon = starting_icon() if has_tray() else None
    return serve(application, paths, node_command(data_dir), icon, held, tray_command(data_dir), is_hidden)


def _sentence(error: Exception) -> str:
    """What to tell; raises again what is no error of ours."""
    # Loading the errors takes longer than showing the icon.
    from app.schema.errors import CaravanError

    if not isinstance(error, CaravanError):
        raise error
    return f"{error.sentence} {error.hint}"


def _refuse(text: str) -> int:
    _say(text)
    return 1


def _say(text: str) -> None:
    if sys.platform == "win32":
        from app.ui.desktop import show_box

        show_box(text)
    elif sys.stderr is not None:
        sys.stderr.write(text + "\n")
