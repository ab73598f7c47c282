"""PURE: a text without what names a person, opens a door, or finds a PC."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

REMOVED = "[removed]"
SHORTEST_NAME = 3
"""Characters; a shorter user or PC name would tear holes into ordinary words."""

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{4,}")
_NAMED = re.compile(
    r"(?i)((?:api[-_ ]?key|token|password|passwd|secret|authorization|cookie|HF_TOKEN)[\"']?\s*[=:, ]\s*[\"']?)"
    r"(?!\s)[^\s\"',;]{4,}"
)
_KNOWN_FORMS = re.compile(r"\b(?:sk-|hf_|ghp_|gho_|github_pat_|xox[bp]-|AKIA)[A-Za-z0-9_\-]{8,}")
_HEX = re.compile(r"\b[0-9a-fA-F]{24,}\b")
_RANDOM = re.compile(r"[A-Za-z0-9_\-+/]{20,}={0,2}")
_CODE = re.compile(r"(?i)(\bcode\b\D{0,24}?)\b\d{3}[ \-\u202f]?\d{3}\b(?!\d)")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*://)[^/\s@]+@")
_QUERY = re.compile(r"(?i)\b(https?://[^\s?#\"']+)[?#][^\s\"']+")
_EMAIL = re.compile(r"\b[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+\b")
_HOME = re.compile(
    r"(?i)((?:[a-z]:|/mnt/[a-z])?[\\/]+(?:users|home|documents and settings)[\\/]+)"
    r"(?:[^\\/\r\n:*?\"'<>|]+(?=[\\/])|[^\\/\s:*?\"'<>|,;)]+)"
)
_MAC = re.compile(r"\b([0-9a-fA-F]{2}[:\-][0-9a-fA-F]{2}[:\-][0-9a-fA-F]{2})(?:[:\-][0-9a-fA-F]{2}){3}\b")
_IPV4 = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){2})\.(\d{1,3})(?!\.?\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*(?![\w:])")
_PUBLIC_USERS = frozenset({"public", "shared", "default", "all users"})
_TURNS = 0.3
"""Changes between small, capital and figure, per character: words and model names have fewer, random texts more."""


@dataclass(frozen=True)
class Private:
    """What is private on this PC: the user's name and home folder, the PCs' names (each with a stand-in), secrets."""

    user: str = ""
    home: str = ""
    pcs: Mapping[str, str] | None = None
    secrets: tuple[str, ...] = ()


def redacted(text: str, private: Private) -> str:
    """The text as it may be shown to a stranger."""
    for secret in private.secrets:
        text = text.replace(secret, REMOVED) if len(secret) >= SHORTEST_NAME else text
    text = _PEM.sub(REMOVED, text)
    text = _without_home(text, private.home)
    text = _HOME.sub(_home, text)
    text = _without_names(text, private)
    text = _USERINFO.sub(rf"\1{REMOVED}@", text)
    text = _QUERY.sub(rf"\1?{REMOVED}", text)
    text = _BEARER.sub(rf"\1 {REMOVED}", text)
    text = _NAMED.sub(rf"\1{REMOVED}", text)
    text = _KNOWN_FORMS.sub(REMOVED, text)
    text = _CODE.sub(rf"\1{REMOVED}", text)
    text = _EMAIL.sub(REMOVED, text)
    text = _HEX.sub(lambda found: f"{found[0][:6]}...", text)
    text = _RANDOM.sub(_random, text)
    return _without_addresses(text)


def _without_home(text: str, home: str) -> str:
    if len(home) <= SHORTEST_NAME:
        return text
    for form in dict.fromkeys((home, home.replace("\\", "\\\\"), home.replace("\\", "/"))):
        text = re.sub(re.escape(form) + r"(?![^\\/\s\"',;:)])", "~", text, flags=re.IGNORECASE)
    return text


def _home(found: re.Match[str]) -> str:
    name = found[0][len(found[1]) :]
    return found[0] if name.lower() in _PUBLIC_USERS else f"{found[1]}{REMOVED}"


def _without_names(text: str, private: Private) -> str:
    """The PCs by their stand-ins, the longest first, then the user."""
    stand_ins = dict(private.pcs or {})
    names = sorted((each for each in stand_ins if len(each) >= SHORTEST_NAME), key=len, reverse=True)
    for name in names:
        text = re.sub(_whole(name), stand_ins[name].replace("\\", r"\\"), text)
    if len(private.user) >= SHORTEST_NAME:
        text = re.sub(_whole(private.user), REMOVED, text, flags=re.IGNORECASE)
    return text


def _whole(name: str) -> str:
    return rf"(?<!\w){re.escape(name)}(?!\w)"


def _random(found: re.Match[str]) -> str:
    return REMOVED if looks_random(found[0]) else found[0]


def looks_random(text: str) -> bool:
    """Whether a run of letters and figures is a key rather than a word or a file's name."""
    kinds = [_kind(sign) for sign in text]
    turns = sum(1 for one, other in pairwise(kinds) if one != other and "-" not in (one, other))
    return {"a", "A", "0"} <= set(kinds) and turns >= _TURNS * len(text)


def _kind(sign: str) -> str:
    return "0" if sign.isdigit() else "A" if sign.isupper() else "a" if sign.islower() else "-"


def _without_addresses(text: str) -> str:
    text = _MAC.sub(lambda found: f"{found[1]}:x", text)
    text = _IPV4.sub(_ipv4, text)
    return _IPV6.sub(_ipv6, text)


def _ipv4(found: re.Match[str]) -> str:
    numbers = [*found[1].split("."), found[2]]
    if any(int(each) > 255 for each in numbers) or numbers[0] in {"127", "0"}:
        return found[0]
    return f"{found[1]}.x"


def _ipv6(found: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv6Address(found[0])
    except ValueError:
        return found[0]
    if address.is_loopback or address.is_unspecified:
        return found[0]
    return f"{address.exploded[:4].lstrip('0') or '0'}::x"


def named_pcs(own: str, others: Iterable[str]) -> dict[str, str]:
    """A stand-in for the name of each PC: `PC 1` is this one."""
    names = dict.fromkeys((own, *others))
    return {name: f"PC {number}" for number, name in enumerate(names, 1)}
