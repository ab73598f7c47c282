"""Which hub is asked, as whom, and what its refusals mean.

Errors are told by the header `X-Error-Code` (`RepoNotFound`, `RevisionNotFound`, `EntryNotFound`, `GatedRepo`); a
repository that is not there answers 401 to who is not signed in (huggingface_hub, `hf_raise_for_status`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.schema.download import HubAccess, TokenSource
from app.schema.errors import CaravanError, GatedRepository, HubFileNotFound, RepositoryNotFound
from app.web.site import Site

HUGGING_FACE = "https://huggingface.co"

MIRROR_VARIABLE = "CARAVAN_HUB_MIRROR"
"""Address of a stand-in for huggingface.co: https, or http on this PC."""

TOKEN_LIMIT = 500
"""Characters; a longer or stranger text in a token's place is not used."""


@dataclass(frozen=True)
class HubPlace:
    """The hub's address and the token that goes there, with where it comes from."""

    base: str
    token: str | None = field(default=None, repr=False)
    source: TokenSource | None = None

    @property
    def access(self) -> HubAccess:
        """What of it may be told."""
        return HubAccess(site=self.base, token=self.source)


def hub_address(setting: str | None, environment: Mapping[str, str]) -> str:
    """The hub to ask: the setting, else `CARAVAN_HUB_MIRROR`, else `HF_ENDPOINT`, else Hugging Face."""
    named = (environment.get(name, "").strip() for name in (MIRROR_VARIABLE, "HF_ENDPOINT"))
    return next((each for each in (setting, *named) if each), HUGGING_FACE).rstrip("/")


def choose_place(base: str, environment: Mapping[str, str], kept: str | None, of_tools: str | None) -> HubPlace:
    """PURE: the hub with the first token there is: the environment's, the kept one, that of Hugging Face's tools.

    The last one was given to those tools for Hugging Face, so no mirror gets it.
    """
    found = (
        (TokenSource.ENVIRONMENT, environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN")),
        (TokenSource.CARAVAN, kept),
        (TokenSource.HUGGING_FACE, of_tools if base == HUGGING_FACE else None),
    )
    for source, text in found:
        token = clean_token(text)
        if token is not None:
            return HubPlace(base, token, source)
    return HubPlace(base)


def clean_token(text: str | None) -> str | None:
    """A token as it can be sent in a header; None for what is none."""
    token = (text or "").strip()
    return (
        token
        if 0 < len(token) <= TOKEN_LIMIT and token.isascii() and token.isprintable() and " " not in token
        else None
    )


def tools_token_file(home: Path, environment: Mapping[str, str]) -> Path:
    """Where Hugging Face's own tools keep their token (huggingface_hub, `constants.HF_TOKEN_PATH`)."""
    named = environment.get("HF_TOKEN_PATH", "").strip()
    if named:
        return Path(named)
    cache = environment.get("XDG_CACHE_HOME", "").strip()
    default = (Path(cache) if cache else home / ".cache") / "huggingface"
    return Path(environment.get("HF_HOME", "").strip() or default) / "token"


def hub_site(place: HubPlace) -> Site:
    """The hub as a site to ask, with the words for its failures."""
    return Site(
        base=place.base,
        mirror=f"{MIRROR_VARIABLE}, HF_ENDPOINT or the setting hub_mirror",
        instead="download the file with another program and put it into the models folder",
        content="what a model hub answers",
        judge=_judge,
        token=place.token,
    )


def _judge(response: httpx.Response, what: str) -> CaravanError | None:
    status, code, host = response.status_code, response.headers.get("x-error-code", ""), response.url.host
    if code == "GatedRepo":
        return _gated(what, signed_in="authorization" in response.request.headers)
    if code in ("EntryNotFound", "RevisionNotFound"):
        return HubFileNotFound(
            f"{what} is not at {host} any more: it was changed or removed there.", "Look at the repository again."
        )
    if status in (401, 404):
        return RepositoryNotFound(
            f"There is no {what} at {host}, or it is private.",
            "Check its name. A private one needs an access token of an account that may see it.",
        )
    return None


def _gated(what: str, signed_in: bool) -> GatedRepository:
    if signed_in:
        return GatedRepository(
            f"{what} is given only to people who accepted its terms, and your account has not.",
            "Open the model's page in a browser, accept the terms there, and try again.",
        )
    return GatedRepository(
        f"{what} is given only to people who accepted its terms.",
        "Accept them on the model's page in a browser, make an access token in your account's settings there, and give "
        "it to Caravan: `caravan models token`, or the variable HF_TOKEN.",
    )
