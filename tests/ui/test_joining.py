"""The two dialogs: a code that is shown, a code that is typed, and every way it can go."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.schema.cluster import InvitationStatus, JoinRequest, JoinState, JoinStatus
from app.schema.errors import ErrorInfo, PairingFailed
from app.system.paths import Paths
from app.ui.desk import Desk
from app.ui.face import Link
from app.ui.joining.code_field import CodeField, digits_of
from app.ui.joining.invite import InviteDialog
from app.ui.joining.join import BY_ADDRESS, JoinDialog
from app.ui.showcase import alone, stranger
from app.ui.style.theme import Theme
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands

NOW = 1000.0


class Script:
    """The node's side."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.requests: list[JoinRequest] = []
        self.refusal: PairingFailed | None = None

    async def invite(self) -> InvitationStatus:
        self.calls.append("invite")
        return InvitationStatus(code="481903", ends_at=NOW + 107, tries_left=3, addresses=("192.168.1.1:52417",))

    async def end_invitation(self) -> None:
        self.calls.append("end")

    async def join(self, request: JoinRequest) -> JoinStatus:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        return JoinStatus(state=JoinState.SEARCHING)

    async def cancel_join(self) -> None:
        self.calls.append("cancel")


class Bench:
    def __init__(self, paths: Paths) -> None:
        self.script = Script()
        self.errands = ScriptedErrands(SimpleNamespace(cluster=self.script))
        self.desk = Desk(self.errands, paths)
        self.theme = Theme(is_dark=False, has_motion=False)
        self.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
        self.dialogs: list[InviteDialog | JoinDialog] = []

    def invite(self) -> InviteDialog:
        dialog = InviteDialog(self.desk, self.theme, clock=lambda: NOW)
        return self._open(dialog)  # type: ignore[return-value]

    def join(self, about: str = "") -> JoinDialog:
        dialog = JoinDialog(self.desk, self.theme, about=about)
        return self._open(dialog)  # type: ignore[return-value]

    def tell(self, **changes: object) -> None:
        self.desk.status = alone().model_copy(update=changes)
        self.desk.status_changed.emit(self.desk.status)
        QApplication.processEvents()

    def _open(self, dialog: InviteDialog | JoinDialog) -> InviteDialog | JoinDialog:
        self.dialogs.append(dialog)
        dialog.open()
        QApplication.processEvents()
        return dialog


@pytest.fixture
def bench(application: QApplication, paths: Paths) -> Iterator[Bench]:
    made = Bench(paths)
    made.theme.apply(application)
    yield made
    for dialog in made.dialogs:
        dialog.hide()
        dialog.deleteLater()
    QApplication.processEvents()


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("481903", "481903"),
        ("481-903", "481903"),
        (" 481 903\n", "481903"),
        ("48190377", "481903"),
        ("abc", ""),
        ("٤٨", ""),
    ],
)
def test_the_digits_of_what_is_pasted(typed: str, code: str) -> None:
    assert digits_of(typed) == code


def test_pasting_fills_the_boxes(bench: Bench) -> None:
    field = CodeField(bench.theme)
    filled: list[bool] = []
    field.filled.connect(lambda: filled.append(True))
    QGuiApplication.clipboard().setText("Code: 481-903")
    field.paste()
    assert (field.text(), filled) == ("481903", [True])
    field.deleteLater()


def test_an_invitation_is_opened_shown_and_ended(bench: Bench) -> None:
    dialog = bench.invite()
    assert bench.script.calls == ["invite"]
    assert dialog.code.accessibleName() == "Code: 4 8 1 9 0 3"
    assert dialog.timing.text() == "1:47 left · 3 tries"
    assert dialog.by_hand.text() == "If it does not find this PC, type there: 192.168.1.1:52417"
    dialog.accept()
    assert bench.script.calls == ["invite", "end"]


def test_who_joined_and_what_failed_are_told_while_it_is_open(bench: Bench) -> None:
    dialog = bench.invite()
    bench.tell(invitation=InvitationStatus(code="111111", ends_at=NOW + 60, tries_left=2, trouble="A wrong code."))
    assert (dialog.news.text(), dialog.timing.text()) == ("A wrong code.", "1:00 left · 2 tries")
    bench.tell(invitation=InvitationStatus(code="111111", ends_at=NOW + 60, tries_left=2, joined=("KITCHEN",)))
    assert dialog.news.text() == "Joined: KITCHEN"


def test_a_new_code_ends_the_old_one_first(bench: Bench) -> None:
    dialog = bench.invite()
    dialog.new_code.click()
    assert bench.script.calls == ["invite", "end", "invite"]


def test_join_waits_for_six_digits_and_takes_the_pc_that_shows_a_code(bench: Bench) -> None:
    bench.tell(seen=(stranger("192.168.1.44", 52417), stranger("192.168.1.61", None)))
    dialog = bench.join()
    assert not dialog.join.isEnabled()
    dialog.code.setText("48190")
    assert dialog.join.toolTip() == "1 more digit"
    dialog.code.setText("481903")
    dialog.join.click()
    assert bench.script.requests == [JoinRequest(code="481903", address="192.168.1.44:52417")]


def test_without_a_list_the_node_looks_itself_and_an_address_can_be_typed(bench: Bench) -> None:
    bench.tell()
    dialog = bench.join()
    dialog.code.setText("481903")
    dialog.join.click()
    by_hand = bench.join(BY_ADDRESS)
    by_hand.code.setText("481903")
    by_hand.address.setText(" 192.168.1.7 ")
    by_hand.join.click()
    assert [each.address for each in bench.script.requests] == [None, "192.168.1.7"]


def test_the_pc_whose_button_was_pressed_is_chosen_even_when_others_come(bench: Bench) -> None:
    bench.tell(seen=(stranger("192.168.1.5", 52417), stranger("192.168.1.9", 52417)))
    dialog = bench.join("192.168.1.9:52417")
    bench.tell(seen=(stranger("192.168.1.4", 52417), stranger("192.168.1.9", 52417)))
    dialog.code.setText("481903")
    dialog.join.click()
    assert bench.script.requests[0].address == "192.168.1.9:52417"


def test_the_steps_are_told_and_the_end_is_a_done(bench: Bench, until: Until) -> None:
    bench.tell()
    dialog = bench.join()
    dialog.code.setText("481903")
    dialog.join.click()
    until(lambda: dialog.step.text().startswith("Looking"))
    assert not dialog.code.isEnabled()
    bench.tell(join=JoinStatus(state=JoinState.CHECKING_CODE))
    assert dialog.step.text() == "Checking the code"
    bench.tell(join=JoinStatus(state=JoinState.JOINED, partner="WORKSHOP"))
    assert dialog.banner.accessibleName().startswith("Joined the cluster of WORKSHOP")
    assert not dialog.join.isVisible()
    assert dialog.cancel.text() == "Done"
    dialog.cancel.click()
    assert bench.script.calls == []


def test_it_is_as_high_as_what_it_says_and_keeps_that_height(bench: Bench, until: Until) -> None:
    bench.desk.take_status(alone())
    dialog = bench.join()
    dialog.code.setText("481903")
    dialog.join.click()
    heights = []
    for state in (JoinState.CHECKING_CODE, JoinState.JOINED):
        bench.tell(join=JoinStatus(state=state, host_name="WORKSHOP"))
        until(lambda: dialog.layout().totalHeightForWidth(dialog.width()) == dialog.height())
        assert dialog.minimumSize() == dialog.maximumSize() == dialog.size()
        heights.append(dialog.height())
    assert heights[0] < heights[1]


def test_a_failure_is_told_plainly_and_can_be_tried_again(bench: Bench, until: Until) -> None:
    bench.tell()
    dialog = bench.join()
    dialog.code.setText("481903")
    dialog.join.click()
    until(lambda: dialog.spinner.isVisible())
    error = ErrorInfo(code="pairing_failed", sentence="That code does not match.", hint="2 more tries.")
    bench.tell(join=JoinStatus(state=JoinState.FAILED, error=error))
    assert dialog.banner.accessibleName() == "That code does not match. 2 more tries."
    assert dialog.join.isEnabled()
    assert dialog.code.isEnabled()


def test_a_refusal_of_the_node_is_told_too(bench: Bench, until: Until) -> None:
    bench.script.refusal = PairingFailed("This PC is in a cluster already.", "Leave it first.")
    bench.tell()
    dialog = bench.join()
    dialog.code.setText("481903")
    dialog.join.click()
    until(lambda: dialog.banner.isVisible())
    assert dialog.banner.accessibleName() == "This PC is in a cluster already. Leave it first."
    assert bench.errands.errors == []


def test_closing_in_the_middle_gives_the_attempt_up(bench: Bench, until: Until) -> None:
    bench.tell()
    dialog = bench.join()
    dialog.code.setText("481903")
    dialog.join.click()
    until(lambda: dialog.spinner.isVisible())
    dialog.reject()
    assert bench.script.calls == ["cancel"]


def test_an_attempt_of_before_is_no_news(bench: Bench) -> None:
    error = ErrorInfo(code="pairing_failed", sentence="Old.")
    bench.tell(join=JoinStatus(state=JoinState.FAILED, error=error))
    dialog = bench.join()
    assert not dialog.banner.isVisible()
    assert not dialog.spinner.isVisible()


def test_opened_again_in_the_middle_it_shows_where_it_is(bench: Bench) -> None:
    bench.tell(join=JoinStatus(state=JoinState.CONNECTING))
    dialog = bench.join()
    assert dialog.step.text() == "Connecting to the cluster"
    bench.tell(join=JoinStatus(state=JoinState.JOINED))
    assert dialog.banner.isVisible()
