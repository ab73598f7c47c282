"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import words
from app.schema.instance import InstanceState, InstanceStatus, Phase, PhaseName, Progress, Unit
from app.schema.plan import Prediction
from app.schema.record import InstanceId, ModelId
from tests.unit.instances.plans import HEAD, plan


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (8_283_750, "7.9 MB"),
        (1_073_700_000, "1.0 GB"),
        (22_870_700_000, "21.3 GB"),
        (5 * 2**40, "5.0 TB"),
        (None, "-"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert words.size(count) == text


@given(st.integers(0, 10**16))
def test_sizes_are_short_and_never_show_a_thousand(count: int) -> None:
    number, unit = words.size(count).split(" ")
    assert float(number) < 1024 or unit == "TB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (4e-4, "under 1 ms"),
        (0.031, "31 ms"),
        (0.44, "0.4 s"),
        (47.2, "47 s"),
        (185, "3 min 5 s"),
        (None, "-"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_phase_tells_how_far_it_is() -> None:
    step = Progress(done=3_328_600_000, total=9_019_431_321, unit=Unit.BYTES, rate=117_440_512.0, seconds_left=47.3)
    phase = Phase(name=PhaseName.TENSORS, progress=step)
    assert words.phase(phase) == "weights loaded - 3.1 GB of 8.4 GB, 112.0 MB/s, 47 s left"
    assert (
        words.phase(Phase(name=PhaseName.WORKERS_STARTED, progress=Progress(done=1, total=2, unit=Unit.WORKERS)))
        == "workers started - 1/2"
    )


def test_every_phase_has_words() -> None:
    assert set(words.PHASE_WORDS) == set(PhaseName)


SPEED = Prediction(prompt_tokens=1000, answer_tokens=400, decode=21.27, prefill=500.0, first_token=2.0, answer=22.0)


@pytest.mark.parametrize(
    ("measured", "told", "text"),
    [
        (None, None, ""),
        (None, SPEED, "predicted 21.3 tok/s"),
        (19.8, SPEED, "19.8 tok/s at the last answer (predicted 21.3)"),
        (19.8, None, "19.8 tok/s at the last answer"),
    ],
)
def test_a_running_model_tells_what_was_predicted_and_measured(
    measured: float | None, told: Prediction | None, text: str
) -> None:
    instance = InstanceStatus(
        id=InstanceId("i"),
        model_id=ModelId("tiny"),
        head=HEAD,
        state=InstanceState.READY,
        plan=plan().model_copy(update={"prediction": told}),
        created_at=100.0,
        decode=measured,
    )
    assert words.speed(instance) == text
