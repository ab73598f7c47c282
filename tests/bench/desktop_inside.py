"""`python -m tests.bench.desktop_inside ours FOLDER`: our tray program; it says at what epoch second its icon is there.

`bare` instead of `ours`: a tray icon with a menu, and nothing else. Both offscreen, where no desktop shows the icon.
"""

import sys
import time
from pathlib import Path

SHOWN = "shown"


def tell() -> None:
    sys.stdout.write(f"{SHOWN} {time.time()}\n")
    sys.stdout.flush()


def bare() -> int:
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QColor, QIcon, QPixmap
    from PySide6.QtWidgets import QApplication, QMenu, QSystemTrayIcon

    application = QApplication([])
    application.setQuitOnLastWindowClosed(False)
    picture = QPixmap(32, 32)
    picture.fill(QColor("#4C51BF"))
    icon, menu = QSystemTrayIcon(QIcon(picture)), QMenu()
    menu.addAction("Quit", application.quit)
    icon.setContextMenu(menu)
    icon.show()
    QTimer.singleShot(0, tell)
    return application.exec()


def ours(folder: Path) -> int:
    from app.system.paths import Paths
    from app.system.single_instance import claim, instance_name
    from app.ui.application import tray_command
    from tests.ui.main_path_node import node_command

    paths = Paths.under(folder)
    paths.ensure()
    held = claim(instance_name(paths.data))
    assert held is not None
    from PySide6.QtCore import QTimer

    from app.ui.desktop import make_application, serve, starting_icon

    with held:
        application, icon = make_application(), starting_icon()
        # The first turn of the loop: `serve` shows the icon before it.
        QTimer.singleShot(0, lambda: tell() if icon.isVisible() else None)
        return serve(application, paths, node_command(folder), icon, held, tray_command(folder))


if __name__ == "__main__":
    sys.exit(bare() if sys.argv[1] == "bare" else ours(Path(sys.argv[2])))
