"""A chat page that is answered for ever: `python -m tests.ui.chat.crash_program FOLDER`.

It prints the number of the word that it has just shown; word n is `w<n>`.
"""

import os
import sys
from pathlib import Path

from PySide6.QtCore import QTimer

from app.system.paths import Paths
from app.ui.desktop import make_application
from app.ui.showcase import home
from tests.ui.chat.conftest import Chat

WORD_MS = 5


def main() -> None:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = make_application()
    chat = Chat(Paths.under(Path(sys.argv[1])), home())
    chat.write("Tell me a story without an end")
    count = 0

    def speak() -> None:
        nonlocal count
        chat.model.last.says(f"w{count} ")
        sys.stdout.write(f"{count}\n")
        sys.stdout.flush()
        count += 1

    timer = QTimer(interval=WORD_MS)
    timer.timeout.connect(speak)
    timer.start()
    application.exec()


if __name__ == "__main__":
    main()
