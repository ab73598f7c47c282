"""The rules of reconcile, and that following them always ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.instances.reconcile import Action, HeadState, Observed, next_action

FULL = Observed(
    holds_leases=True,
    leased=True,
    workers_started=True,
    workers_verified=True,
    memory_checked=True,
    head=HeadState.READY,
)


@pytest.mark.parametrize(
    ("wanted", "seen", "action"),
    [
        (True, Observed(), Action.LEASE),
        (True, Observed(holds_leases=True, leased=True), Action.START_WORKERS),
        (True, Observed(holds_leases=True, leased=True, workers_started=True), Action.VERIFY_WORKERS),
        (True, replace(FULL, memory_checked=False, head=HeadState.ABSENT), Action.CHECK_MEMORY),
        (True, replace(FULL, head=HeadState.ABSENT), Action.START_HEAD),
        (True, replace(FULL, head=HeadState.LOADING), Action.AWAIT_READY),
        (True, FULL, None),
        (False, FULL, Action.STOP_HEAD),
        (False, replace(FULL, head=HeadState.ABSENT), Action.RELEASE),
        (False, Observed(), Action.SETTLE),
        (True, replace(FULL, failed=True), Action.STOP_HEAD),
        (True, Observed(failed=True, holds_leases=True), Action.RELEASE),
        (True, Observed(failed=True), Action.SETTLE),
        (True, Observed(too_large=True, holds_leases=True, leased=True), Action.RELEASE),
        (True, Observed(too_large=True), Action.PLAN_ANEW),
        (False, Observed(too_large=True), Action.SETTLE),
        (True, Observed(too_large=True, failed=True), Action.SETTLE),
    ],
)
def test_the_one_next_action(wanted: bool, seen: Observed, action: Action | None) -> None:
    assert next_action(wanted, seen) is action


def _after(seen: Observed, action: Action) -> Observed:
    """What an action that succeeds makes true."""
    changes: dict[Action, dict[str, object]] = {
        Action.LEASE: {"leased": True, "holds_leases": True},
        Action.START_WORKERS: {"workers_started": True},
        Action.VERIFY_WORKERS: {"workers_verified": True},
        Action.CHECK_MEMORY: {"memory_checked": True},
        Action.START_HEAD: {"head": HeadState.LOADING},
        Action.AWAIT_READY: {"head": HeadState.READY},
        Action.STOP_HEAD: {"head": HeadState.ABSENT},
        Action.RELEASE: {"leased": False, "holds_leases": False},
        Action.PLAN_ANEW: {
            "too_large": False,
            "workers_started": False,
            "workers_verified": False,
            "memory_checked": False,
        },
    }
    return replace(seen, **changes[action])  # type: ignore[arg-type]


observed = st.builds(
    Observed,
    holds_leases=st.booleans(),
    leased=st.booleans(),
    workers_started=st.booleans(),
    workers_verified=st.booleans(),
    memory_checked=st.booleans(),
    too_large=st.booleans(),
    head=st.sampled_from(HeadState),
    failed=st.booleans(),
)


@given(st.booleans(), observed)
def test_from_anywhere_it_ends_in_a_few_steps(wanted: bool, seen: Observed) -> None:
    for _ in range(12):
        action = next_action(wanted, seen)
        if action is None:
            assert wanted
            assert not seen.failed
            return
        if action is Action.SETTLE:
            assert seen.head is HeadState.ABSENT
            assert not seen.holds_leases
            return
        seen = _after(seen, action)
    pytest.fail("no end in sight")


@given(observed)
def test_nothing_starts_for_an_instance_that_failed_or_is_not_wanted(seen: Observed) -> None:
    for wanted, state in ((False, seen), (True, replace(seen, failed=True))):
        assert next_action(wanted, state) in {Action.STOP_HEAD, Action.RELEASE, Action.SETTLE}
