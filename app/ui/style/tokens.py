"""PURE: the one type scale, the one spacing unit, the radii and the durations. Lengths are pixels at 100 %."""

TITLE = 20
HEADING = 15
BODY = 13
SMALL = 11

UNIT = 4
GAP = 8
"""Inside controls, and between things that belong together."""

GROUP = 16
"""Between groups."""

EDGE = 24
"""Between a window's edge and its content."""

CARD_RADIUS = 8
CONTROL_RADIUS = 6

CONTROL_HEIGHT = 32
SMALL_CONTROL_HEIGHT = 26

QUICK_MS = 120
"""Motion of something small: a hover, a fold."""

SLOW_MS = 180
"""Motion of something large: a card that joins."""

READING_WIDTH = 760
"""Widest column of running text."""
