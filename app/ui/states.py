"""PURE: how the tray stands to its node, and what its icon shows. Light: the icon needs it before all else."""

from enum import StrEnum


class Link(StrEnum):
    """How the tray stands to its node."""

    STARTING = "starting"
    FOUND = "found"
    LOST = "lost"
    ENDING = "ending"


class Icon(StrEnum):
    """What the tray icon shows; the three working ones carry the load further along the line."""

    NOTHING = "nothing"
    IDLE = "idle"
    WORKING_FIRST = "working-first"
    WORKING_SECOND = "working-second"
    WORKING_THIRD = "working-third"
    READY = "ready"
    ATTENTION = "attention"
