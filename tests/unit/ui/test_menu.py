"""What the tray says, from statuses alone: no Qt, no node."""

import pytest

from app.schema.engine import EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus, LastLaunch, Lease, Phase, PhaseName, PhaseState
from app.schema.node import HealthWarning, NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import PlanRequest, Prediction
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.settings import Settings
from app.ui.face import Icon, Link, face
from app.ui.menu import Command, Habits, MenuEntry, Place, is_serving, menu_model
from app.ui.notices import notices
from app.ui.words import shortened, tr
from tests.ui.samples import PROBLEM, instance, loading, status

STARTING, READY, STOPPING = InstanceState.STARTING, InstanceState.READY, InstanceState.STOPPING
FAILED, STOPPED = InstanceState.FAILED, InstanceState.STOPPED
MISSING = ErrorInfo(code="engine_missing", sentence="WORKSHOP has no llama.cpp.", hint="Run `caravan engine install`.")
WARM_UP = (Phase(name=PhaseName.WARM_UP, state=PhaseState.ACTIVE),)
FOUND = Place(Link.FOUND, "http://127.0.0.1:52415", ends_node=True)
LEASE = Lease(
    id="l",
    expires_at=1.0,
    instance_id=InstanceId("x"),
    head=NodeId("b" * 64),
    head_name="KITCHEN",
    device="CPU",
    size_bytes=1,
    epoch=0,
)

FACES = [
    (status(), Icon.IDLE, "No model is running"),
    (status(engine=EngineStatus()), Icon.WORKING_FIRST, "Caravan is starting"),
    (status(instance(STARTING)), Icon.WORKING_FIRST, "Starting caravan-demo"),
    (status(instance(STARTING, phases=loading(0, 100))), Icon.WORKING_FIRST, "Loading caravan-demo 0 %"),
    (status(instance(STARTING, phases=loading(629, 1000))), Icon.WORKING_SECOND, "Loading caravan-demo 62 %"),
    (status(instance(STARTING, phases=loading(999, 1000))), Icon.WORKING_THIRD, "Loading caravan-demo 99 %"),
    (status(instance(STARTING, phases=loading(5, 0))), Icon.WORKING_SECOND, "Loading caravan-demo"),
    (status(instance(STARTING, phases=loading(0, 9, PhaseState.PENDING))), Icon.WORKING_FIRST, "Starting caravan-demo"),
    (status(instance(STARTING, phases=WARM_UP)), Icon.WORKING_THIRD, "Warming up caravan-demo"),
    (status(instance(STOPPING)), Icon.WORKING_THIRD, "Unloading caravan-demo"),
    (status(instance(READY)), Icon.READY, "Ready · 1 PC · caravan-demo"),
    (status(instance(READY, pcs=3)), Icon.READY, "Ready · 3 PCs · caravan-demo"),
    (status(instance(READY), instance(READY, name="two")), Icon.READY, "Ready · 2 models"),
    (status(instance(READY), instance(STARTING, name="two", model="b")), Icon.WORKING_FIRST, "Starting b"),
    (status(instance(FAILED, error=PROBLEM)), Icon.ATTENTION, "caravan-demo did not start"),
    (status(instance(FAILED, error=PROBLEM, ready_at=9.0)), Icon.ATTENTION, "caravan-demo stopped"),
    (status(instance(FAILED, error=PROBLEM), instance(READY, name="two")), Icon.READY, "Ready · 1 PC · caravan-demo"),
    (status(instance(STOPPED)), Icon.IDLE, "No model is running"),
    (
        status(engine=EngineStatus(problem=MISSING)),
        Icon.ATTENTION,
        "Engine missing: WORKSHOP has no llama.cpp.",
    ),
    (status(leases=(LEASE,)), Icon.READY, "Carrying a part of KITCHEN's model"),
    (
        status(warnings=(HealthWarning(code="w", sentence="The disk is nearly full."),)),
        Icon.ATTENTION,
        "The disk is nearly full.",
    ),
    (
        status(instance(READY, model="通义千问三百二十亿参数指令微调版本")),
        Icon.READY,
        "Ready · 1 PC · 通义千问三百二十亿参数指令微调版本",
    ),
]


@pytest.mark.parametrize(("now", "icon", "line"), FACES, ids=[line for _, _, line in FACES])
def test_face(now: Status, icon: Icon, line: str) -> None:
    shown = face(now, Link.FOUND)
    assert (shown.icon, str(shown.line)) == (icon, line)


@pytest.mark.parametrize(
    ("link", "icon", "line"),
    [
        (Link.STARTING, Icon.WORKING_FIRST, "Caravan is starting"),
        (Link.FOUND, Icon.WORKING_FIRST, "Caravan is starting"),
        (Link.LOST, Icon.NOTHING, "Caravan is not running"),
        (Link.ENDING, Icon.WORKING_THIRD, "Caravan is ending"),
    ],
)
def test_face_without_a_status(link: Link, icon: Icon, line: str) -> None:
    shown = face(None, link)
    assert (shown.icon, str(shown.line)) == (icon, line)


WINDOWS = ["--", "Open Caravan", "Chat", "Models"]


def told(entries: tuple[MenuEntry, ...]) -> list[str]:
    return [("" if entry.is_enabled else "~") + str(entry.text) if entry.text else "--" for entry in entries]


def test_menu_of_an_idle_node() -> None:
    assert told(menu_model(status(), FOUND)) == [
        "~No model is running",
        *WINDOWS,
        "Join cluster...",
        "Invite a PC...",
        "--",
        "Launch the demo model",
        "Pause sharing this PC",
        "--",
        "Copy API address",
        "Open API pages",
        "--",
        "Settings",
        "Logs",
        "--",
        "Quit",
    ]


def test_menu_of_a_ready_model_unloads_it_by_its_id() -> None:
    entries = menu_model(status(instance(READY, pcs=3, name="the-id")), FOUND)
    lines = told(entries)
    assert lines[0] == "~Ready · 3 PCs · caravan-demo"
    assert "~Launch the demo model" in lines
    unload = entries[lines.index("Unload caravan-demo")]
    assert (unload.command, unload.target) == (Command.UNLOAD, "the-id")


def test_every_live_instance_has_its_entry_newest_first() -> None:
    now = status(
        instance(READY, name="1", model="old", created_at=1.0),
        instance(STARTING, name="2", model="new", created_at=2.0),
        instance(STOPPING, name="3", model="going", created_at=1.5),
        instance(FAILED, name="4", model="dead", created_at=3.0),
    )
    lines = told(menu_model(now, FOUND))
    first = lines.index("Launch the demo model")
    assert lines[first + 1 : first + 4] == ["Cancel the launch of new", "~Unload going", "Unload old"]


def test_menu_before_a_node_is_found() -> None:
    assert told(menu_model(None)) == [
        "~Caravan is starting",
        *WINDOWS,
        "--",
        "Settings",
        "Logs",
        "--",
        "Quit",
    ]


def test_menu_of_a_lost_node_offers_to_start_it() -> None:
    lines = told(menu_model(None, Place(Link.LOST)))
    assert lines == [
        "~Caravan is not running",
        *WINDOWS,
        "--",
        "Start Caravan",
        "--",
        "Settings",
        "Logs",
        "--",
        "Quit",
    ]


def test_a_node_that_ran_already_stays() -> None:
    assert told(menu_model(status(), Place(Link.FOUND, "http://127.0.0.1:1")))[-1] == "Quit (Caravan keeps running)"


def test_quit_cannot_be_chosen_twice() -> None:
    assert told(menu_model(None, Place(Link.ENDING)))[-1] == "~Quit"


def test_without_an_engine_nothing_is_launched_and_the_reason_is_told() -> None:
    lines = told(menu_model(status(engine=EngineStatus(problem=MISSING)), FOUND))
    assert lines[:2] == ["~Engine missing: WORKSHOP has no llama.cpp.", "What happened, and what to do..."]
    assert "~Launch the demo model" in lines


def test_the_last_model_is_offered_again_by_its_id() -> None:
    entries = menu_model(status(), FOUND, Habits(last_model=ModelId("Qwen3-32B")))
    again = next(each for each in entries if each.command is Command.LAUNCH)
    assert (str(again.text), again.target, again.is_enabled) == ("Load last model (Qwen3-32B)", "Qwen3-32B", True)
    running = menu_model(status(instance(READY, model="Qwen3-32B")), FOUND, Habits(last_model=ModelId("Qwen3-32B")))
    assert not next(each for each in running if each.command is Command.LAUNCH).is_enabled


def test_what_the_node_launched_last_counts_before_what_the_window_saw() -> None:
    last = LastLaunch(model_id=ModelId("new"), wishes=PlanRequest(model_id=ModelId("new")), at=1.0)
    now = status().model_copy(update={"last_launches": (last,)})
    again = next(each for each in menu_model(now, FOUND, Habits(ModelId("old"))) if each.command is Command.LAUNCH)
    assert again.target == "new"


def test_what_is_on_is_ticked() -> None:
    now = status(settings=Settings(sharing=False))
    ticks = {each.command: each.is_checked for each in menu_model(now, FOUND, Habits(starts_at_sign_in=True))}
    assert (ticks[Command.SHARING], ticks[Command.AUTOSTART], ticks[Command.OPEN]) == (True, True, None)
    assert Command.AUTOSTART not in {each.command for each in menu_model(now, FOUND)}


@pytest.mark.parametrize(
    ("now", "place", "serving"),
    [
        (status(), FOUND, False),
        (status(instance(READY)), FOUND, True),
        (status(leases=(LEASE,)), FOUND, True),
        (status(instance(READY)), Place(Link.FOUND, "http://127.0.0.1:1"), False),
        (None, FOUND, False),
    ],
)
def test_quitting_takes_something_away_only_from_those_that_are_served(
    now: Status | None, place: Place, serving: bool
) -> None:
    assert is_serving(now, place) is serving


def test_who_keeps_serving_can_still_stop_all() -> None:
    lines = told(menu_model(status(instance(READY)), FOUND, Habits(keeps_node=True)))
    assert lines[-2:] == ["Quit (keeps serving)", "Stop serving and quit"]
    assert told(menu_model(status(), FOUND, Habits(keeps_node=True)))[-1] == "Quit"


def test_an_expected_speed_is_told_as_one() -> None:
    expected = Prediction(prompt_tokens=1, answer_tokens=1, decode=21.2, prefill=1, first_token=1, answer=1)
    ready = instance(READY, pcs=3)
    told_ready = ready.model_copy(update={"plan": ready.plan.model_copy(update={"prediction": expected})})
    assert str(face(status(told_ready), Link.FOUND).line) == "Ready · 3 PCs · caravan-demo · about 21 tok/s"


def test_a_measured_speed_is_told_without_about() -> None:
    ready = instance(READY, pcs=3, name="one")
    speeds = {InstanceId("one"): 21.2}
    line = "Ready · 3 PCs · caravan-demo · 21 tok/s"
    assert str(face(status(ready), Link.FOUND, speeds).line) == line
    assert str(menu_model(status(ready), FOUND, speeds=speeds)[0].text) == line


def test_a_model_that_another_pc_runs_is_ready_here_too() -> None:
    theirs = instance(READY, pcs=2, model="Qwen3-32B")
    other = NodeId("b" * 64)
    report = PeerReport(node=NodeInfo(id=other, name="LIVING ROOM", version="1", started_at=1.0), instances=(theirs,))
    peer = Peer(node=other, name="LIVING ROOM", reachability=Reachability.ALIVE, report=report)
    shown = face(status(peers=(peer,)), Link.FOUND)
    assert (shown.icon, str(shown.line)) == (Icon.READY, "Ready · 2 PCs · Qwen3-32B")


def test_a_failed_launch_keeps_its_hint() -> None:
    problem = face(status(instance(FAILED, error=PROBLEM)), Link.FOUND).problem
    assert problem is not None
    assert (str(problem.sentence), str(problem.hint)) == (PROBLEM.sentence, PROBLEM.hint)


@pytest.mark.parametrize("name", ["m" * 300, "模" * 300, "a{pcs}&\t\nb" * 30])
def test_a_long_name_stays_short_and_on_one_line(name: str) -> None:
    for entry in menu_model(status(instance(READY, model=name)), FOUND):
        if entry.text:
            assert len(str(entry.text)) < 80
            assert str(entry.text).isprintable()


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("short", 5, "short"),
        ("abcdefghij", 7, "abc…hij"),
        ("模型模型模型", 8, "模型…型"),
        ("a\tb\nc", 9, "a b c"),
        ("", 3, ""),
    ],
)
def test_shortened(text: str, columns: int, expected: str) -> None:
    assert shortened(text, columns) == expected


def test_a_value_with_braces_is_only_text() -> None:
    assert str(tr("Unload {model}", model="{nothing}")) == "Unload {nothing}"


def test_a_phrase_inside_a_phrase_is_translated_too() -> None:
    words = {"Ready on {pcs}": "Bereit auf {pcs}", "{pcs} PCs": "{pcs} Rechnern"}
    assert (
        tr("Ready on {pcs}", pcs=tr("{pcs} PCs", pcs=2)).said(lambda source: words[source]) == "Bereit auf 2 Rechnern"
    )


def news(before: Status | None, after: Status) -> list[tuple[str, str]]:
    return [(str(each.title), str(each.body)) for each in notices(before, after)]


def started(*, ready_at: float | None = None) -> InstanceStatus:
    return instance(READY, pcs=2, ready_at=ready_at)


def test_becoming_ready_is_told_once_with_the_time_it_took() -> None:
    before, after = status(instance(STARTING, pcs=2)), status(started(ready_at=108.6))
    assert news(before, after) == [("caravan-demo is ready", "Ready in 8.6 s on 2 PCs")]
    assert news(after, after) == []


def test_a_failed_launch_is_told_with_sentence_and_hint() -> None:
    after = status(instance(FAILED, error=PROBLEM))
    assert news(status(instance(STARTING)), after) == [
        ("caravan-demo did not start", f"{PROBLEM.sentence} {PROBLEM.hint}")
    ]


def test_what_caravan_unloaded_by_itself_is_told_with_its_reason() -> None:
    gone = instance(InstanceState.STOPPED).model_copy(update={"ended_because": "Unloaded: idle for 30 min."})
    assert news(status(instance(READY)), status(gone)) == [("caravan-demo", "Unloaded: idle for 30 min.")]
    assert news(status(instance(READY)), status(instance(InstanceState.STOPPED))) == []


def test_the_first_status_is_no_news() -> None:
    assert news(None, status(started(ready_at=101.0), instance(FAILED, name="two", error=PROBLEM))) == []


def with_peer(reachability: Reachability, problem: str | None = None) -> Status:
    return status(peers=(Peer(node=NodeId("b" * 64), name="LAPTOP", reachability=reachability, problem=problem),))


def test_a_lost_pc_is_told_once() -> None:
    alive, lost = with_peer(Reachability.ALIVE), with_peer(Reachability.LOST, "It is asleep.")
    assert news(alive, lost) == [("LAPTOP was lost", "It is asleep.")]
    assert news(lost, lost) == []
    assert news(with_peer(Reachability.SUSPECT), with_peer(Reachability.LOST)) == [
        ("LAPTOP was lost", "It does not answer any more.")
    ]


def test_a_pc_that_comes_is_told_and_one_that_was_lost_already_is_not() -> None:
    assert news(status(), with_peer(Reachability.CONNECTING)) == [
        ("LAPTOP joined the cluster", "It can carry a part of a model now.")
    ]
    assert news(with_peer(Reachability.ALIVE), with_peer(Reachability.SUSPECT)) == []
