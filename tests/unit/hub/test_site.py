"""Which hub, as whom, and what its refusals mean."""

from pathlib import Path

import httpx
import pytest

from app.modelstore.hub.site import (
    HUGGING_FACE,
    HubPlace,
    choose_place,
    clean_token,
    hub_address,
    hub_site,
    tools_token_file,
)
from app.node.hub_token import HubTokens
from app.schema.download import TokenSource
from app.schema.errors import (
    CaravanError,
    GatedRepository,
    HubFileNotFound,
    InputError,
    RateLimited,
    RepositoryNotFound,
)
from app.schema.settings import Settings
from app.system.logs import Secrets
from app.web.asking import TryAgain, check_status

SITE = hub_site(HubPlace(HUGGING_FACE, "hf_secret"))


def test_the_setting_comes_before_the_environment() -> None:
    environment = {"CARAVAN_HUB_MIRROR": " https://a/ ", "HF_ENDPOINT": "https://b"}
    assert hub_address("https://s/", environment) == "https://s"
    assert hub_address(None, environment) == "https://a"
    assert hub_address(None, {"HF_ENDPOINT": "https://b"}) == "https://b"
    assert hub_address(None, {}) == HUGGING_FACE


def test_the_first_token_counts_and_that_of_the_tools_is_for_hugging_face_only() -> None:
    both = choose_place(HUGGING_FACE, {"HF_TOKEN": "hf_env"}, "hf_kept", "hf_tools")
    assert (both.token, both.source) == ("hf_env", TokenSource.ENVIRONMENT)
    assert choose_place(HUGGING_FACE, {}, "hf_kept", "hf_tools").source is TokenSource.CARAVAN
    assert choose_place(HUGGING_FACE, {}, None, "hf_tools\n").token == "hf_tools"
    assert choose_place("https://mirror", {}, None, "hf_tools").token is None
    assert "hf_env" not in repr(both)


@pytest.mark.parametrize("text", ["", "  ", "two words", "line\nbreak", "ü", "x" * 600, None])
def test_what_cannot_be_a_token_is_none(text: str | None) -> None:
    assert clean_token(text) is None


def test_where_the_tools_keep_theirs() -> None:
    home = Path("/home/j")
    assert tools_token_file(home, {}) == home / ".cache" / "huggingface" / "token"
    assert tools_token_file(home, {"HF_HOME": "/hf"}) == Path("/hf/token")
    assert tools_token_file(home, {"HF_TOKEN_PATH": "/t"}) == Path("/t")


def refused(status: int, code: str = "", host: str = HUGGING_FACE, signed_in: bool = False) -> Exception:
    headers = {"Authorization": "Bearer x"} if signed_in else {}
    request = httpx.Request("GET", f"{host}/x", headers=headers)
    response = httpx.Response(status, headers={"X-Error-Code": code} if code else {}, request=request)
    with pytest.raises((CaravanError, TryAgain)) as caught:
        check_status(response, SITE, "repository a/b", 0.0)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "RepoNotFound", RepositoryNotFound),
        (401, "", RepositoryNotFound),
        (404, "", RepositoryNotFound),
        (404, "RevisionNotFound", HubFileNotFound),
        (404, "EntryNotFound", HubFileNotFound),
        (401, "GatedRepo", GatedRepository),
        (403, "GatedRepo", GatedRepository),
        (429, "", RateLimited),
        (503, "", TryAgain),
    ],
)
def test_refusals_are_told_apart(status: int, code: str, kind: type[Exception]) -> None:
    assert isinstance(refused(status, code), kind)


def test_who_is_not_signed_in_is_told_how() -> None:
    error = refused(401, "GatedRepo")
    assert isinstance(error, GatedRepository)
    assert "access token" in error.hint
    known = refused(403, "GatedRepo", signed_in=True)
    assert isinstance(known, GatedRepository)
    assert "your account has not" in known.sentence


def test_an_address_that_is_used_up_is_asked_for_anew() -> None:
    assert isinstance(refused(403, host="https://cdn.example.org"), TryAgain)


async def test_a_token_is_typed_once_kept_and_forgotten(tmp_path: Path) -> None:
    secrets = Secrets()
    tokens = HubTokens(tmp_path / "hub-token", Settings, secrets, tmp_path, {})
    assert (await tokens.place()).token is None
    await tokens.keep(" hf_typed ")
    place = await HubTokens(tmp_path / "hub-token", Settings, secrets, tmp_path, {}).place()
    assert (place.token, place.source) == ("hf_typed", TokenSource.CARAVAN)
    assert place.access.model_dump() == {"site": HUGGING_FACE, "token": TokenSource.CARAVAN}
    assert secrets.remove_from("Authorization: hf_typed") == "Authorization: [removed]"
    with pytest.raises(InputError, match="no access token"):
        await tokens.keep("two words")
    await tokens.forget()
    await tokens.forget()
    assert (await tokens.place()).token is None


async def test_a_damaged_token_file_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "hub-token").write_bytes(b"\xff\xfe\x00")
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "token").write_text("hf_tools")
    place = await HubTokens(tmp_path / "hub-token", Settings, Secrets(), tmp_path, {}).place()
    assert place.source is TokenSource.HUGGING_FACE
