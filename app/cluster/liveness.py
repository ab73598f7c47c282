"""PURE: how a peer counts after some heartbeats were missed."""

from app.schema.node import Reachability

HEARTBEAT_SECONDS = 2.0
"""Time between two heartbeats to a peer."""

MISSES_TO_LOSE = 3
"""Heartbeats in a row without an answer after which a peer is lost."""


def judge(misses: int, answered_before: bool) -> Reachability:
    """The reachability of a peer that missed `misses` heartbeats in a row."""
    if misses == 0:
        return Reachability.ALIVE
    if misses >= MISSES_TO_LOSE:
        return Reachability.LOST
    return Reachability.SUSPECT if answered_before else Reachability.CONNECTING
