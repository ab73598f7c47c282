"""`caravan plan`: names of PCs, and how speeds are told."""

import io

import pytest
from rich.console import Console

from app.cli import words
from app.cli.console import Session
from app.cli.plan_command import comparison, context_line, show_answer, speed_line
from app.cli.wishes import Wishes, find_pc, pcs_of_status
from app.schema.cluster import MemberInfo
from app.schema.errors import InputError
from app.schema.node import Peer, Reachability
from app.schema.plan import Alternative, EncoderShare, ExpertShare, NodeReason, Plan, Prediction, Preference, Share
from app.schema.record import ModelId, NodeId
from tests.unit.instances.plans import plan
from tests.unit.node.test_speeds import HEAD, status

ATTIC, BARN = NodeId("a" * 64), NodeId("b" * 64)


def told(decode: float, **facts: object) -> Prediction:
    known = {"prompt_tokens": 1000, "answer_tokens": 400, "decode": decode, "prefill": 500.0, "first_token": 2.0}
    return Prediction.model_validate(known | {"answer": 2.0 + 400 / decode, "load": 12.0} | facts)


def peer(node: NodeId, name: str) -> Peer:
    return Peer(node=node, name=name, reachability=Reachability.ALIVE)


def test_pcs_are_known_by_name_and_twins_by_their_id() -> None:
    twins = status().model_copy(update={"peers": (peer(ATTIC, "Attic"), peer(BARN, "Attic"))})
    names = pcs_of_status(twins)
    assert find_pc("pc", names) == HEAD
    assert find_pc(ATTIC, names) == ATTIC
    with pytest.raises(InputError):
        find_pc("attic", names)


def test_twins_are_told_by_the_identity_that_the_list_of_pcs_shows() -> None:
    members = (
        MemberInfo(node=HEAD, name="PC", short_name="AAAAAAA-AAAAAAA"),
        MemberInfo(node=ATTIC, name="PC", short_name="BBBBBBB-BBBBBBB"),
    )
    names = pcs_of_status(status().model_copy(update={"peers": (peer(ATTIC, "PC"),), "members": members}))
    assert find_pc("bbbbbbb-bbbbbbb", names) == ATTIC
    with pytest.raises(InputError) as error:
        find_pc("PC", names)
    assert error.value.hint == "The PCs are AAAAAAA-AAAAAAA, BBBBBBB-BBBBBBB."


def test_names_that_differ_in_their_letter_cases_are_told_apart() -> None:
    names = {"Attic": ATTIC, "ATTIC": BARN}
    assert (find_pc("Attic", names), find_pc("ATTIC", names)) == (ATTIC, BARN)
    with pytest.raises(InputError):
        find_pc("attic", names)


def test_an_unknown_pc_is_told_with_the_nearest_name() -> None:
    names = pcs_of_status(status().model_copy(update={"peers": (peer(ATTIC, "Attic"),)}))
    assert find_pc("ATTIC", names) == ATTIC
    with pytest.raises(InputError) as error:
        find_pc("atic", names)
    assert error.value.hint == "Did you mean Attic?"
    with pytest.raises(InputError) as error:
        find_pc("zzzz", names)
    assert error.value.hint == "The PCs are PC, Attic."


def test_a_speed_says_what_it_is_for_and_what_it_rests_on() -> None:
    line = speed_line(told(20.0))
    assert line.startswith("Expected: 20.0 tok/s, first token after 2.0 s, prompt 500 tok/s (")
    assert "1 000 tokens in, 400 out; partly estimated" in line
    assert "measured devices and links, corrected by earlier runs" in speed_line(
        told(20.0, is_measured=True, corrected_by=0.9)
    )


def test_the_time_to_ready_is_told_with_what_pcs_keep() -> None:
    found = plan().model_copy(update={"prediction": told(20.0)})
    assert words.load(found) == "Ready in about 12 s."
    kept = tuple(each.model_copy(update={"kept_bytes": 3 << 30}) for each in found.stages[1:])
    with_kept = found.model_copy(update={"stages": (found.stages[0], *kept)})
    wanted = "ATTIC keeps 3.0 GB of it on its disk; BARN keeps 3.0 GB of it on its disk."
    assert words.load(with_kept) == f"Ready in about 12 s; {wanted}"
    assert words.load(with_kept.model_copy(update={"prediction": None})) == wanted
    assert words.load(found.model_copy(update={"prediction": None})) is None


def test_several_conversations_are_told_together() -> None:
    assert "31.0 tok/s of 4 conversations together" in speed_line(told(9.0, conversations=4, throughput=31.0))


def test_wishes_become_a_request() -> None:
    names = {"desk": HEAD, "Attic": ATTIC}
    wishes = Wishes(slots=4, prefer=Preference.ANSWER, min_pcs=2, head="DESK", use=["attic"], shares=["attic/CUDA0=20"])
    found = wishes.request(ModelId("m"), names)
    assert (found.head, found.use, found.slots, found.min_pcs) == (HEAD, (ATTIC,), 4, 2)
    assert found.prefer is Preference.ANSWER
    assert found.shares == (Share(node=ATTIC, device="CUDA0", layers=20),)


@pytest.mark.parametrize("share", ["attic", "attic/CUDA0", "attic/CUDA0=x", "attic/CUDA0=5000", "/=3"])
def test_a_share_that_says_nothing_is_refused(share: str) -> None:
    with pytest.raises(InputError, match="is no share"):
        Wishes(shares=[share]).request(ModelId("m"), {"Attic": ATTIC})


def test_experts_in_ram_are_a_row_of_their_own() -> None:
    experts = ExpertShare(layers=(0, 1, 2, 5), weight_bytes=3 << 30, compute_bytes=9 << 20, free_bytes=20 << 30)
    out = io.StringIO()
    to = Session(None, Console(file=out, width=160, highlight=False, markup=False), Console())
    show_answer(to, answer().model_copy(update={"experts": experts}))
    row = next(line for line in out.getvalue().splitlines() if "experts" in line)
    assert "experts of 0-2, 5" in row
    assert "3.0 GB" in row


def test_the_picture_encoder_is_a_row_of_its_own() -> None:
    encoder = EncoderShare(
        node_name="HEAD", device="CUDA0", weight_bytes=851 << 20, compute_bytes=131 << 20, free_bytes=20 << 30
    )
    out = io.StringIO()
    to = Session(None, Console(file=out, width=160, highlight=False, markup=False), Console())
    show_answer(to, answer().model_copy(update={"encoder": encoder}))
    row = next(line for line in out.getvalue().splitlines() if "picture encoder" in line)
    assert all(each in row for each in ("HEAD", "CUDA0", "851.0 MB", "131.0 MB")), row


def answer() -> Plan:
    others = (
        Alternative(pcs=1, fits=False, sentence="HEAD alone is 3.1 GB short.", short_bytes=3),
        Alternative(pcs=2, fits=True, sentence="Fits on two.", prediction=told(11.0)),
    )
    reason = NodeReason(node=BARN, node_name="CELLAR", sentence="CELLAR is left out: it is slower.")
    return plan().model_copy(update={"prediction": told(14.0), "alternatives": others, "left_out": (reason,)})


def test_a_row_whose_head_holds_nothing_says_so() -> None:
    out, found = io.StringIO(), answer()
    two = found.alternatives[1].model_copy(update={"names": ("HEAD", "BARN"), "idle_head": True})
    to = Session(None, Console(file=out, width=160, highlight=False, markup=False), Console())
    show_answer(to, found.model_copy(update={"alternatives": (found.alternatives[0], two)}))
    assert "HEAD (no layers), BARN" in out.getvalue()


def test_numbers_of_pcs_that_fit_are_compared() -> None:
    assert [(pcs, chosen) for pcs, chosen, _ in comparison(answer())] == [(2, False), (3, True)]


def test_the_answer_has_stages_speeds_and_reasons() -> None:
    out = io.StringIO()
    to = Session(None, Console(file=out, width=160, highlight=False, markup=False), Console())
    show_answer(to, answer())
    text = out.getvalue()
    for expected in ("ATTIC", "Expected: 14.0 tok/s", "11.0", "planned", "3.1 GB short", "CELLAR is left out"):
        assert expected in text
    assert "Fits on two." not in text


def test_an_unknown_speed_is_said() -> None:
    out = io.StringIO()
    show_answer(Session(None, Console(file=out, width=160), Console()), plan())
    assert "not known" in out.getvalue()


@pytest.mark.parametrize(
    ("largest", "in_place", "line"),
    [
        (None, None, None),
        (4096, 4096, "Context: 4 096 tokens are the most that fit."),
        (32768, 32768, "Context: up to 32 768 tokens fit on these devices."),
        (32768, 8192, "Context: up to 32 768 tokens fit, up to 8 192 on these devices."),
        (32768, 4096, "Context: up to 32 768 tokens fit, on further devices than these."),
    ],
)
def test_the_largest_context_is_told(largest: int | None, in_place: int | None, line: str | None) -> None:
    found = answer().model_copy(
        update={"context": 4096, "largest_context": largest, "largest_context_in_place": in_place}
    )
    assert context_line(found) == line


def test_each_number_of_pcs_tells_how_much_context_it_has_room_for() -> None:
    out, found = io.StringIO(), answer()
    roomy = found.alternatives[1].model_copy(update={"largest_context": 65536})
    to = Session(None, Console(file=out, width=160, highlight=False, markup=False), Console())
    show_answer(to, found.model_copy(update={"alternatives": (found.alternatives[0], roomy)}))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert ["2", "11.0", "2.0", "s", "38", "s", "65", "536"] in rows


def test_the_head_is_named_also_when_it_holds_no_layers() -> None:
    found = plan().model_copy(update={"head_name": "HEAD"})
    assert words.pcs(found) == "3 PCs, head HEAD"
    idle = found.model_copy(update={"stages": found.stages[1:]})
    assert words.pcs(idle) == "3 PCs, head HEAD, which holds no layers"
    assert words.pcs(found.model_copy(update={"stages": found.stages[:1]})) == "1 PC"
    assert words.pcs(plan()) == "3 PCs"


def test_the_comparison_names_the_pcs_and_tells_all_conversations_together() -> None:
    out, found = io.StringIO(), answer()
    two = found.alternatives[1].model_copy(
        update={"names": ("HEAD", "ATTIC"), "prediction": told(11.0, conversations=4, throughput=31.0)}
    )
    to = Session(None, Console(file=out, width=160, highlight=False, markup=False), Console())
    show_answer(to, found.model_copy(update={"alternatives": (found.alternatives[0], two)}))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert ["2", "11.0", "31.0", "2.0", "s", "38", "s", "-", "HEAD,", "ATTIC"] in rows
    assert ["3", "14.0", "-", "2.0", "s", "31", "s", "-", "planned"] in rows


def test_numbers_of_pcs_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="--pcs 2 and --min-pcs 3 contradict each other"):
        Wishes(pcs=2, min_pcs=3).request(ModelId("tiny"), {})
    assert Wishes(pcs=3, min_pcs=3).request(ModelId("tiny"), {}).pcs == 3
