"""Which role this process has is told by its first argument; nothing else happens here."""

import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.schema.options import NodeOptions


def main() -> None:
    """The console program: the command line, the node behind its `node` command, and the node's short-lived child."""
    try:
        _main()
    except KeyboardInterrupt:
        # Ctrl-C while the program is still being loaded, which is why nothing of ours is imported above.
        sys.exit(130)


def _main() -> None:
    from app.schema.options import ELEVATED_ROLE, NVML_ROLE, TUNNEL_ROLE

    if sys.argv[1:] == [NVML_ROLE]:
        from app.hardware.nvml_child import main as ask_driver

        sys.exit(ask_driver())
    if sys.argv[1:] == [TUNNEL_ROLE]:
        from app.tunnel import main as carry

        sys.exit(carry())
    if sys.argv[1:2] == [ELEVATED_ROLE]:
        from app.system.elevated import main as do_elevated

        sys.exit(do_elevated(sys.argv[2:]))
    from app.cli.main import build

    build(_run_node)()


def _run_node(options: "NodeOptions", on_ready: Callable[[str], None]) -> int:
    from app.daemon.run import run

    return run(options, on_ready)


def tray() -> None:
    """The windowed program: the tray."""
    from app.ui.application import main as tray_main

    sys.exit(tray_main(sys.argv[1:]))


def windowed() -> None:
    """The frozen program without a console: the tray, or the role or command that its first argument names."""
    if not sys.argv[1:] or sys.argv[1].startswith("-"):
        tray()
    try:
        main()
    except Exception:  # noqa: BLE001  see below
        # The loader would show a box that nobody awaits, and this process would wait for its button.
        if sys.stderr is not None:
            traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
