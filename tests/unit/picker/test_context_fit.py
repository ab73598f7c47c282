"""How far the memory reaches, as words, marks and clicks."""

import pytest

from app.schema.plan import Alternative, Plan, PlanRequest, Refusal
from app.ui.models import sample_cluster as cluster
from app.ui.models.context_fit import ContextFit, context_fit
from app.ui.models.context_steps import ASSUMED_LIMIT, place_of
from app.ui.models.sample_planner import planned

BIG = cluster.few_models()[0].model
LIMIT = 131072


def told(largest: int | None, in_place: int | None, *each: int | None, context: int = 4096) -> Plan:
    """A plan that says so, `each` being the largest on 1, 2, ... PCs."""
    found = planned(BIG, PlanRequest(model_id=BIG.id, context=context))
    assert isinstance(found, Plan)
    facts = {"largest_context": largest, "largest_context_in_place": in_place, "alternatives": alternatives(*each)}
    return found.model_copy(update=facts)


def alternatives(*each: int | None) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(pcs=pcs, fits=False, sentence="", largest_context=most) for pcs, most in enumerate(each, 1)
    )


def words(fit: ContextFit) -> str:
    """With plain spaces."""
    return str(fit.words).replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


def test_each_number_of_pcs_that_has_room_for_more_is_named() -> None:
    fit = context_fit(told(LIMIT, 32768, 32768, LIMIT, LIMIT), LIMIT)
    assert words(fit) == "Fits up to 32 768 on 1 PC, all 131 072 on 2 PCs."
    assert fit.marks == (32768, LIMIT)
    assert fit.offers == (32768, LIMIT)
    assert "More than fits. It fits up to 32" in str(fit.beyond)


def test_a_number_of_pcs_on_which_nothing_fits_is_not_named() -> None:
    assert words(context_fit(told(8192, 8192, None, 8192, None), LIMIT)) == "Fits up to 8 192 on 2 PCs."


def test_all_on_one_pc_is_said_once_and_what_its_devices_hold_beside_it() -> None:
    fit = context_fit(told(LIMIT, 12288, LIMIT, LIMIT), LIMIT)
    assert words(fit) == "All 131 072 fit on 1 PC. The devices below hold up to 12 288."
    assert fit.offers == (12288, LIMIT)


@pytest.mark.parametrize(
    ("context", "largest", "offers"),
    [
        (4096, 65536, (8192, 65536)),
        (8192, 65536, (16384, 65536)),
        (16384, 65536, (65536,)),
        (65536, 65536, ()),
        # Only 1 PC was asked for: what more would hold is no click away.
        (4096, 8192, (8192,)),
        (4096, None, ()),
    ],
)
def test_what_is_offered_is_more_than_now_and_fits_as_asked(
    context: int, largest: int | None, offers: tuple[int, ...]
) -> None:
    answer = told(largest, 8192, 16384, 65536).model_copy(update={"context": context})
    assert context_fit(answer, LIMIT).offers == offers


def test_a_refusal_says_what_fits_and_offers_nothing_beside_its_banner() -> None:
    refusal = Refusal(
        model_id=BIG.id,
        code="does_not_fit",
        sentence="",
        hint="",
        largest_context=2048,
        alternatives=alternatives(2048),
    )
    fit = context_fit(refusal, LIMIT)
    assert words(fit) == "Fits up to 2 048 on 1 PC."
    assert (fit.largest, fit.offers) == (2048, ())


def test_nothing_is_said_where_nothing_is_known() -> None:
    fit = context_fit(told(None, None, None, None), LIMIT)
    assert (fit.words, fit.beyond, fit.marks, fit.offers) == (None, None, (), ())


def test_where_training_is_unknown_nothing_beyond_the_slider_is_offered() -> None:
    fit = context_fit(told(1 << 24, 1 << 24, 50000 // 256 * 256, 1 << 24), None)
    assert words(fit) == "Fits up to 49 920 on 1 PC, 131 072 on 2 PCs."
    assert fit.offers == (49920, ASSUMED_LIMIT)


def test_a_place_lies_between_the_stops_in_proportion() -> None:
    stops = (512, 1024, 2048)
    assert [place_of(stops, tokens) for tokens in (256, 512, 768, 1024, 1280, 2048, 9999)] == [
        0.0, 0.0, 0.5, 1.0, 1.25, 2.0, 2.0,
    ]  # fmt: skip
