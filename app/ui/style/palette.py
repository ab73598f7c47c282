"""PURE: the colours of light and dark: neutrals with a hint of sand, one accent, three tones, eight device colours."""

from dataclasses import dataclass
from enum import StrEnum

CONTRAST = 4.5
"""The least contrast of text to its ground, see https://www.w3.org/TR/WCAG21/#contrast-minimum."""


class Tone(StrEnum):
    """What a coloured thing says. Amber is "tight, look here", red "cannot, lost", green "ready"."""

    NEUTRAL = "neutral"
    ACCENT = "accent"
    GOOD = "good"
    TIGHT = "tight"
    BAD = "bad"


@dataclass(frozen=True)
class Palette:
    """Every colour of one scheme, as `#RRGGBB`.

    Grounds, from the back to the front: `side` (rail), `ground` (page), `card`, `sunken` (fields, troughs). `line`
    divides, `edge` surrounds controls. `ink` and `quiet` are text. A tone has an ink for text and a soft ground for it.
    """

    is_dark: bool
    ground: str
    side: str
    card: str
    sunken: str
    hover: str
    line: str
    edge: str
    ink: str
    quiet: str
    accent: str
    accent_hover: str
    accent_pressed: str
    on_accent: str
    accent_soft: str
    accent_ink: str
    amber: str
    amber_soft: str
    red: str
    red_soft: str
    red_fill: str
    red_fill_hover: str
    on_red: str
    green: str
    green_soft: str
    devices: tuple[str, ...]

    def tone(self, tone: Tone) -> tuple[str, str]:
        """The ink and the soft ground of a tone."""
        return {
            Tone.NEUTRAL: (self.quiet, self.sunken),
            Tone.ACCENT: (self.accent_ink, self.accent_soft),
            Tone.GOOD: (self.green, self.green_soft),
            Tone.TIGHT: (self.amber, self.amber_soft),
            Tone.BAD: (self.red, self.red_soft),
        }[tone]

    def device_colour(self, index: int) -> str:
        """The colour of the `index`-th PC or stage; after eight they begin anew."""
        return self.devices[index % len(self.devices)]

    def tinted(self, colour: str, part: float) -> str:
        """`part` (0..1) of a colour on this scheme's cards: the second and third ground of a device."""
        return mixed(colour, self.card, part)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every pair of text and ground that is used; each has at least `CONTRAST`."""
        grounds = (self.ground, self.side, self.card, self.sunken, self.hover)
        plain = tuple((ink, ground) for ink in (self.ink, self.quiet) for ground in grounds)
        coloured = tuple(
            (ink, ground)
            for ink in (self.accent_ink, self.amber, self.red, self.green)
            for ground in (self.ground, self.side, self.card, self.sunken)
        )
        soft = tuple(pair for tone in Tone for pair in (self.tone(tone), (self.ink, self.tone(tone)[1])))
        fills = tuple((self.on_accent, each) for each in (self.accent, self.accent_hover, self.accent_pressed))
        return (
            *plain,
            *coloured,
            *soft,
            *fills,
            (self.on_red, self.red_fill),
            (self.on_red, self.red_fill_hover),
            *((text_on(each), each) for each in self.devices),
        )


# The colour-blind-safe sequence of Okabe and Ito, https://jfly.uni-koeln.de/color/; blue first, black last.
_DEVICES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")

LIGHT = Palette(
    is_dark=False,
    ground="#FBF9F5",
    side="#F3EFE8",
    card="#FFFFFF",
    sunken="#F1ECE3",
    hover="#EAE4D9",
    line="#E6DFD3",
    edge="#CEC5B6",
    ink="#1F2430",
    quiet="#5A5C66",
    accent="#4C51BF",
    accent_hover="#4246AB",
    accent_pressed="#393D96",
    on_accent="#FFFFFF",
    accent_soft="#E8E8F8",
    accent_ink="#4246AB",
    amber="#8A4B08",
    amber_soft="#FBEBCF",
    red="#A8221B",
    red_soft="#FBE5E2",
    red_fill="#B3261E",
    red_fill_hover="#9A1F18",
    on_red="#FFFFFF",
    green="#1B6638",
    green_soft="#DDF0E2",
    devices=(*_DEVICES, "#000000"),
)

DARK = Palette(
    is_dark=True,
    ground="#1C1B19",
    side="#161513",
    card="#262421",
    sunken="#312E2A",
    hover="#3A3732",
    line="#37342F",
    edge="#57524A",
    ink="#F2EEE6",
    quiet="#B5AEA1",
    accent="#8A8FF5",
    accent_hover="#9DA1F8",
    accent_pressed="#B0B3FA",
    on_accent="#14152B",
    accent_soft="#2E2F52",
    accent_ink="#A5A9F8",
    amber="#F6B562",
    amber_soft="#46341A",
    red="#F79B92",
    red_soft="#4C2522",
    red_fill="#F28B82",
    red_fill_hover="#F6A39B",
    on_red="#2A0E0B",
    green="#7FD49A",
    green_soft="#1F3D2A",
    devices=(*_DEVICES, "#BBBBBB"),
)


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0..255, of `#RRGGBB`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(ink: str, ground: str, part: float) -> str:
    """`part` (0..1) of one colour and the rest of the other."""
    both = zip(channels(ink), channels(ground), strict=True)
    return "#" + "".join(f"{round(part * one + (1 - part) * other):02X}" for one, other in both)


def luminance(colour: str) -> float:
    """Relative luminance 0..1, see https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in channels(colour))
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio 1..21, see https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(*grounds: str) -> str:
    """Black or white, whichever reads better on the worst of these grounds; on a single one never below 4.58."""
    return max(("#000000", "#FFFFFF"), key=lambda ink: min(contrast(ink, ground) for ground in grounds))
