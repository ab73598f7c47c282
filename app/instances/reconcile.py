"""PURE: what to do next for one instance. Launch, stop, crash and peer loss are one case: desired against observed.

The rules are tried in order; the first that applies names the one next action. `AWAIT_READY` lasts as long as the
engine loads; `None` means there is nothing to do until something changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class HeadState(StrEnum):
    """The llama-server of an instance as the supervisor observes it."""

    ABSENT = "absent"
    LOADING = "loading"
    READY = "ready"


class Action(StrEnum):
    """The one next step."""

    LEASE = "lease"
    START_WORKERS = "start_workers"
    VERIFY_WORKERS = "verify_workers"
    CHECK_MEMORY = "check_memory"
    PLAN_ANEW = "plan_anew"
    START_HEAD = "start_head"
    AWAIT_READY = "await_ready"
    STOP_HEAD = "stop_head"
    RELEASE = "release"
    SETTLE = "settle"


@dataclass(frozen=True)
class Observed:
    """What is true of an instance now. `holds_leases` is true while any lease, whole or partial, is held.

    `too_large`: by the engine's own word the plan does not fit, and another may be sought.
    """

    holds_leases: bool = False
    leased: bool = False
    workers_started: bool = False
    workers_verified: bool = False
    memory_checked: bool = False
    too_large: bool = False
    head: HeadState = HeadState.ABSENT
    failed: bool = False


Rule = Callable[[bool, Observed], Action | None]


def _wind_down(wanted: bool, seen: Observed) -> Action | None:
    if wanted and not seen.failed:
        return None
    if seen.head is not HeadState.ABSENT:
        return Action.STOP_HEAD
    return Action.RELEASE if seen.holds_leases else Action.SETTLE


def _plan_anew(wanted: bool, seen: Observed) -> Action | None:
    if not seen.too_large:
        return None
    return Action.RELEASE if seen.holds_leases else Action.PLAN_ANEW


def _prepare(wanted: bool, seen: Observed) -> Action | None:
    if not seen.leased:
        return Action.LEASE
    if not seen.workers_started:
        return Action.START_WORKERS
    if not seen.workers_verified:
        return Action.VERIFY_WORKERS
    return None if seen.memory_checked else Action.CHECK_MEMORY


def _run_head(wanted: bool, seen: Observed) -> Action | None:
    if seen.head is HeadState.ABSENT:
        return Action.START_HEAD
    return Action.AWAIT_READY if seen.head is HeadState.LOADING else None


RULES: tuple[Rule, ...] = (_wind_down, _plan_anew, _prepare, _run_head)


def next_action(wanted: bool, seen: Observed) -> Action | None:
    """The one next action for an instance that is `wanted` or not, None when it is as it should be."""
    for rule in RULES:
        action = rule(wanted, seen)
        if action is not None:
            return action
    return None
