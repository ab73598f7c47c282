"""Settings of this PC: its name, its sharing, when Caravan starts and what closing its window does."""

import sys
from collections.abc import Sequence

from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.system.paths import Paths
from app.ui.commands import tray_command
from app.ui.desk import Desk
from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.fields import read_name
from app.ui.settings.rows import Group, Setting, Switch, switch_setting, text_setting
from app.ui.settings.section import Section
from app.ui.sign_in import SignIn
from app.ui.style.theme import Theme
from app.ui.words import tr

_NAME_REASON = tr("What the other PCs call this one. Default: the computer's own name.")
_CLOSE_REASON = tr("Closing the window leaves Caravan in the tray, at work. Off: closing it quits. Default: on.")
_START_REASON = tr("In the tray, without a window, so that the other PCs can count on this one. Default: off.")


def sign_in_command(paths: Paths) -> list[str]:
    """What starts the tray of this data folder at sign-in."""
    return tray_command(None if paths == Paths.for_user() else paths.data)


class ThisPc(Section):
    """`command` starts the tray at sign-in; it is empty where that cannot be offered."""

    def __init__(self, desk: Desk, theme: Theme, changes: Changes, command: Sequence[str]) -> None:
        super().__init__(tr("This PC"), tr("Everything is saved as soon as you change it."))
        self.name, self.name_field = text_setting(
            theme, changes, "name", tr("Name"), _NAME_REASON, read_name, lambda settings: settings.name or ""
        )
        self.name_field.setMaxLength(120)
        self.start_switch = Switch(theme, self._turn_start)
        self.start = Setting(
            theme,
            tr("Start with Windows") if sys.platform == "win32" else tr("Start when I sign in"),
            _START_REASON,
            self.start_switch,
        )
        self.start.setVisible(bool(command))
        self.sharing, self.sharing_switch = switch_setting(
            theme,
            changes,
            "sharing",
            tr("Share this PC"),
            tr("The cluster may use its GPU and memory. Off: nothing new starts here; what runs goes on. Default: on."),
        )
        self._sign_in = SignIn(command, self._show_start, self._fail_start)
        self._is_known = False
        self.start_switch.setEnabled(False)
        self._desk = desk
        self.closing_switch = Switch(theme, desk.choose_closing)
        self.closing = Setting(theme, tr("Close to the tray"), _CLOSE_REASON, self.closing_switch)
        rows = [self.name, self.sharing]
        if command:
            rows.append(self.start)
        if desk.closes_to_tray is not None:
            rows.append(self.closing)
        self.add(Group(*rows))
        self.close_column()

    def shown(self, status: Status | None) -> None:
        """The computer's own name is what stands in an empty field; the registry is asked once per visit."""
        if status is not None and status.hardware is not None:
            self.name_field.setPlaceholderText(said(status.hardware.hostname))
        self.closing_switch.setChecked(self._desk.closes_to_tray is not False)
        if not self._is_known:
            self._is_known = True
            self._sign_in.look()

    def leaving(self) -> None:
        """It may be changed elsewhere before the next visit."""
        self._is_known = False

    def finish(self) -> None:
        """Wait for what was begun."""
        self._sign_in.finish()

    def _turn_start(self, is_on: bool) -> None:
        self.start.say_error(None)
        self._sign_in.change(is_on)

    def _show_start(self, is_on: bool) -> None:
        self.start_switch.setEnabled(True)
        self.start_switch.setChecked(is_on)
        self.start.say_error(None)

    def _fail_start(self, error: ErrorInfo) -> None:
        self.start_switch.setEnabled(True)
        self.start_switch.setChecked(False)
        self.start.say_error(f"{error.sentence} {error.hint}")
