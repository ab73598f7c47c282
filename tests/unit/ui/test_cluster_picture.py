"""What the picture of the cluster shows, from statuses alone: no Qt."""

import pytest

from app.schema.cluster import InvitationStatus, JoinState, JoinStatus
from app.schema.engine import EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.hardware import NetworkInterface
from app.schema.instance import DeviceBuffer, InstanceState, PhaseState
from app.schema.node import HealthWarning, Reachability, Status
from app.ui.cluster.facts import Medium, medium_of, speeds_text
from app.ui.cluster.gauges import Gauge, short_gpu_name
from app.ui.cluster.picture import PcCard, Presence, picture
from app.ui.joining.words import invite_words, join_words
from app.ui.parts.segments import Pattern
from app.ui.parts.sizes import count_text, link_speed_text, milliseconds_text, seconds_text, size_text
from app.ui.pc_colours import pc_colours
from app.ui.showcase import GB, alone, crowd, home, load, member, node_id, peer, plan, running, stage, stranger
from app.ui.style.palette import LIGHT, Tone
from app.ui.wish import Wish
from tests.ui.samples import loading


def seen(status: Status) -> dict[str, PcCard]:
    return {card.name: card for card in picture(status, LIGHT.devices).cards}


def parts(gauge: Gauge) -> dict[Pattern, float]:
    return {each.pattern: round(each.size / GB, 1) for each in gauge.segments}


def test_this_pc_comes_first_then_the_others_by_name() -> None:
    cards = picture(home(), LIGHT.devices).cards
    assert [(card.name, card.presence) for card in cards] == [
        ("WORKSHOP", Presence.HERE),
        ("LAPTOP", Presence.ALIVE),
        ("LIVING ROOM", Presence.ALIVE),
    ]


def test_a_bar_adds_up_to_the_device() -> None:
    gauge = seen(home())["WORKSHOP"].gauges[0]
    assert parts(gauge) == {
        Pattern.SOLID: 13.4,
        Pattern.STRIPES: 3.0,
        Pattern.DOTS: 1.2,
        Pattern.GREY: 1.6,
        Pattern.FREE: 4.8,
    }
    assert abs(sum(each.size for each in gauge.segments) - gauge.total) < 8


def test_what_the_engine_reported_counts_more_than_the_plan() -> None:
    status = home()
    kinds = {"model": 1024.0, "kv": 512.0, "rs": 512.0, "compute": 100.0, "output": 100.0}
    name = f"{node_id(1)}/CUDA0"
    buffers = tuple(DeviceBuffer(device=name, kind=kind, mebibytes=size) for kind, size in kinds.items())
    told = status.instances[0].model_copy(update={"buffers": buffers})
    gauge = seen(status.model_copy(update={"instances": (told,)}))["WORKSHOP"].gauges[0]
    assert parts(gauge)[Pattern.SOLID] == 1.0
    assert parts(gauge)[Pattern.STRIPES] == 1.0
    assert parts(gauge)[Pattern.DOTS] == 0.2


def test_while_a_model_loads_no_bar_is_longer_than_its_device() -> None:
    status = home().model_copy(update={"load": load((2.0,), 50, 10, 64)})
    gauge = seen(status)["WORKSHOP"].gauges[0]
    assert Pattern.GREY not in parts(gauge)
    assert sum(each.size for each in gauge.segments) <= gauge.total + 8


def test_unknown_use_is_not_told_as_free() -> None:
    gauge = seen(alone().model_copy(update={"load": None}))["WORKSHOP"].gauges[0]
    assert gauge.segments == ()
    assert gauge.free is None
    assert (
        str(picture(alone().model_copy(update={"load": None}), LIGHT.devices).summary) == "1 PC · 24 GB of GPU memory"
    )


def test_a_full_gpu_counts_as_no_free_bytes() -> None:
    full = alone().model_copy(update={"load": load((24.0,), 50, 10, 64)})
    assert str(picture(full, LIGHT.devices).summary) == "1 PC · 24 GB of GPU memory · 0 bytes free"


def test_the_words_on_a_card() -> None:
    cards = seen(home())
    assert str(cards["WORKSHOP"].facts) == "b11434 · 61 °C · sharing"
    assert [str(each) for each in cards["WORKSHOP"].carries] == ["head · layers 21–64, output"]
    assert [str(each) for each in cards["LIVING ROOM"].carries] == ["layers 1–20"]
    assert cards["LAPTOP"].carries == ()
    assert cards["LAPTOP"].link is not None
    assert str(cards["LAPTOP"].link.words) == "Wi-Fi · 192 Mbit/s, 88 Mbit/s back · 9 ms"


def test_no_engine_and_not_known_yet_are_two_things() -> None:
    missing = ErrorInfo(code="engine_missing", sentence="WORKSHOP has no llama.cpp.")
    for engine, word in ((EngineStatus(), "looking for the engine"), (EngineStatus(problem=missing), "no engine")):
        card = picture(alone().model_copy(update={"engine": engine}), LIGHT.devices).cards[0]
        assert str(card.facts) == f"{word} · 41 °C · sharing"


def test_the_layers_flow_in_their_order_and_the_shares_are_whole() -> None:
    caravan = picture(home(), LIGHT.devices).caravans[0]
    assert [(leg.name, str(leg.layers), leg.is_head) for leg in caravan.legs] == [
        ("LIVING ROOM", "layers 1–20", False),
        ("WORKSHOP", "layers 21–64, output", True),
    ]
    assert sum(leg.part for leg in caravan.legs) == pytest.approx(1)
    assert str(caravan.state) == "ready · 2 PCs · about 21 tok/s"


def test_two_gpus_of_a_pc_are_one_leg() -> None:
    stages = (
        stage(2, "ATTIC", "CUDA0", 0, 9, (1, 1, 1)),
        stage(2, "ATTIC", "CUDA1", 10, 19, (1, 1, 1)),
        stage(1, "WORKSHOP", "CUDA0", 20, 29, (1, 1, 1)),
    )
    status = alone().model_copy(update={"instances": (running(plan("m", stages)),)})
    legs = picture(status, LIGHT.devices).caravans[0].legs
    assert [(leg.name, str(leg.layers)) for leg in legs] == [
        ("ATTIC", "layers 1–20"),
        ("WORKSHOP", "layers 21–30, output"),
    ]


def test_a_model_that_another_pc_heads_is_seen_too_and_only_once() -> None:
    status = home()
    one = status.peers[0]
    assert one.report is not None
    report = one.report.model_copy(update={"instances": status.instances})
    twice = status.model_copy(update={"peers": (one.model_copy(update={"report": report}), status.peers[1])})
    elsewhere = twice.model_copy(update={"instances": ()})
    assert len(picture(twice, LIGHT.devices).caravans) == 1
    assert len(picture(elsewhere, LIGHT.devices).caravans) == 1


def test_a_model_that_loads_says_how_far() -> None:
    one = home().instances[0].model_copy(update={"state": InstanceState.STARTING})
    states = []
    for phases in ((), loading(0, 100, PhaseState.PENDING), loading(62, 100)):
        status = home().model_copy(update={"instances": (one.model_copy(update={"phases": phases}),)})
        states.append(str(picture(status, LIGHT.devices).caravans[0].state))
    assert states == ["loading", "loading", "loading, 62 %"]


def test_a_stopped_model_is_gone_from_the_picture() -> None:
    stopped = home().instances[0].model_copy(update={"state": InstanceState.STOPPED})
    shown = picture(home().model_copy(update={"instances": (stopped,)}), LIGHT.devices)
    assert shown.caravans == ()
    assert shown.cards[0].carries == ()


def test_a_lost_pc_tells_nothing_that_may_be_old() -> None:
    lost = peer(2, "ATTIC", (("RTX 3060", 12),), (5.0,), reachability=Reachability.LOST, problem="It is asleep.")
    shown = picture(alone().model_copy(update={"peers": (lost,)}), LIGHT.devices)
    card = shown.cards[1]
    assert (card.presence, card.problem, str(card.facts), card.gauges[0].segments) == (
        Presence.LOST,
        "It is asleep.",
        "",
        (),
    )
    assert "1 lost" in str(shown.summary)


def test_a_peer_that_only_connects_has_a_card_without_numbers() -> None:
    new = peer(2, "ATTIC", (), (), reachability=Reachability.CONNECTING).model_copy(update={"report": None})
    card = picture(alone().model_copy(update={"peers": (new,)}), LIGHT.devices).cards[1]
    assert (card.name, card.gauges, card.ram, card.presence) == ("ATTIC", (), None, Presence.CONNECTING)


def test_pcs_of_one_name_are_told_apart() -> None:
    twin = peer(2, "Workshop", (), ())
    status = alone().model_copy(update={"peers": (twin,), "members": (member(1, "WORKSHOP"), member(2, "Workshop"))})
    assert [card.mark for card in picture(status, LIGHT.devices).cards] == ["ABCDEF1-HIJKLMN", "ABCDEF2-HIJKLMN"]
    assert [card.mark for card in picture(home(), LIGHT.devices).cards] == ["", "", ""]


def test_strangers_that_show_a_code_come_first_and_members_are_none() -> None:
    known = stranger("192.168.1.9", None).model_copy(update={"node": node_id(2)})
    status = alone().model_copy(update={"seen": (stranger("192.168.1.3", None), known, stranger("192.168.1.7", 52417))})
    found = picture(status, LIGHT.devices).strangers
    assert [(each.address, each.is_inviting) for each in found] == [("192.168.1.7:52417", True), ("192.168.1.3", False)]


def test_a_warning_brings_the_button_that_helps_or_none() -> None:
    warnings = (HealthWarning(code="engine_missing", sentence="A", hint="B"), HealthWarning(code="new", sentence="C"))
    advice = picture(alone().model_copy(update={"warnings": warnings}), LIGHT.devices).advice
    assert [(str(each.fix) if each.fix else None, each.wish) for each in advice] == [
        ("Install the engine", Wish.SETTINGS),
        (None, None),
    ]


def test_a_pc_has_the_same_colour_on_every_pc() -> None:
    status = crowd()
    here = pc_colours(status)
    there = pc_colours(status.model_copy(update={"node": status.node.model_copy(update={"id": node_id(7)})}))
    assert {node: here[node] for node in there} == there
    assert len(set(here.values())) == len(here)


@pytest.mark.parametrize(
    ("adapter", "medium"),
    [("Wi-Fi", Medium.WIFI), ("WLAN", Medium.WIFI), ("wlp3s0", Medium.WIFI), ("Ethernet 2", Medium.CABLE)],
)
def test_the_adapters_name_tells_cable_from_air(adapter: str, medium: Medium) -> None:
    there = (NetworkInterface(name=adapter, addresses=("192.168.1.7/24",), is_up=True),)
    assert medium_of(there, "192.168.1.7:52416") is medium
    assert medium_of(there, "192.168.1.8:52416") is None
    assert medium_of(there, None) is None


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
        ("Intel(R) Arc(TM) A770 Graphics", "Arc A770"),
        ("NVIDIA", "NVIDIA"),
    ],
)
def test_short_gpu_names(name: str, short: str) -> None:
    assert short_gpu_name(name) == short


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (size_text(24 * GB), "24 GB"),
        (size_text(round(8.44 * GB)), "8.4 GB"),
        (size_text(round(0.96 * GB)), "1 GB"),
        (size_text(8 << 20), "8 MB"),
        (size_text(0), "0 bytes"),
        (size_text(408 * GB), "408 GB"),
        (link_speed_text(117e6), "936 Mbit/s"),
        (link_speed_text(125e6), "1 Gbit/s"),
        (link_speed_text(290e6), "2.3 Gbit/s"),
        (milliseconds_text(0.0004), "0.4 ms"),
        (milliseconds_text(0.009), "9 ms"),
        (seconds_text(0.94), "0.9 s"),
        (seconds_text(47), "47 s"),
        (seconds_text(180), "3 min"),
        (seconds_text(4800), "1 h 20 min"),
        (count_text(16384), "16\u202f384"),
    ],
)
def test_numbers_with_units(shown: object, text: str) -> None:
    assert str(shown) == text


def test_an_invitation_counts_down_and_pauses() -> None:
    shown = invite_words(InvitationStatus(code="481903", ends_at=207.0, tries_left=3), now=100.0)
    assert (shown.code, str(shown.timing), str(shown.news)) == (
        "481903",
        "1:47 left · 3 tries",
        "Nobody has tried yet.",
    )
    over = invite_words(InvitationStatus(code="481903", ends_at=207.0, tries_left=1), now=300.0)
    assert str(over.timing) == "0:00 left · 1 try"
    paused = invite_words(InvitationStatus(code=None, ends_at=130.0, trouble="Three wrong tries."), now=100.0)
    assert (paused.code, str(paused.timing), paused.tone) == (None, "A new code comes in 0:30", Tone.TIGHT)
    joined = invite_words(InvitationStatus(code="1", ends_at=1.0, joined=("KITCHEN",), trouble="old"), now=0.0)
    assert (str(joined.news), joined.tone) == ("Joined: KITCHEN", Tone.GOOD)


def test_every_state_of_joining_has_words() -> None:
    for state in JoinState:
        words = join_words(JoinStatus(state=state, address="192.168.1.7"))
        assert str(words.sentence)
        assert words.is_busy is (state not in {JoinState.JOINED, JoinState.FAILED})
    error = ErrorInfo(code="pairing_failed", sentence="That code does not match.", hint="2 more tries.")
    failed = join_words(JoinStatus(state=JoinState.FAILED, error=error))
    assert (str(failed.sentence), str(failed.hint)) == ("That code does not match.", "2 more tries.")
    assert str(join_words(JoinStatus(state=JoinState.JOINED, partner="{x}")).sentence) == "Joined the cluster of {x}"


@pytest.mark.parametrize(
    ("there", "back", "told"),
    [
        (None, None, None),
        (117e6, None, "936 Mbit/s"),
        (None, 117e6, "936 Mbit/s"),
        (117e6, 110e6, "936 Mbit/s"),
        (24e6, 11e6, "192 Mbit/s, 88 Mbit/s back"),
        (11e6, 24e6, "88 Mbit/s, 192 Mbit/s back"),
    ],
)
def test_both_ways_of_an_uneven_link_are_told(there: float | None, back: float | None, told: str | None) -> None:
    words = speeds_text(there, back)
    assert (words if words is None else str(words)) == told
