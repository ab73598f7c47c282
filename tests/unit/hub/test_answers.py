"""What the hub may answer: its own records, and anything at all."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.modelstore.hub.answers import read_details, read_files, read_models

COMMIT = "a" * 40
DIGEST = "b" * 64
MODEL = {
    "id": "unsloth/Qwen3-8B-GGUF",
    "author": "unsloth",
    "sha": COMMIT,
    "downloads": 12345,
    "likes": 67,
    "gated": False,
    "lastModified": "2026-05-01T10:00:00.000Z",
    "tags": ["gguf", "license:apache-2.0", 7],
    "gguf": {"total": 8_190_735_360, "architecture": "qwen3", "context_length": 40960},
    "cardData": {"base_model": ["Qwen/Qwen3-8B"]},
}
WEIGHTS = {"type": "file", "path": "a.gguf", "size": 135, "lfs": {"oid": DIGEST, "size": 5_027_783_872}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
keys = ("id", "modelId", "sha", "author", "tags", "gguf", "cardData", "gated", "lastModified", "likes", "path", "size")
odd_records = st.dictionaries(st.sampled_from((*keys, "lfs", "type", "downloads")), json_values)


def test_a_repository_is_read() -> None:
    (found,) = read_models([MODEL])
    assert (found.repository, found.author, found.downloads, found.likes) == (MODEL["id"], "unsloth", 12345, 67)
    assert (found.updated, found.gated, found.licence) == (1777629600.0, False, "apache-2.0")
    assert found.tags == ("gguf", "license:apache-2.0")


def test_a_licence_of_its_own_is_named() -> None:
    card = {"license": "other", "license_name": "gemma"}
    assert read_models([{**MODEL, "cardData": card}])[0].licence == "gemma"


def test_details_tell_what_the_hub_read_in_the_files() -> None:
    found = read_details(MODEL)
    assert found is not None
    assert found.revision == COMMIT
    assert found.description == (
        "8.2 billion parameters, architecture qwen3, up to 40 960 tokens of context, made from Qwen/Qwen3-8B."
    )


def test_what_is_missing_is_unknown() -> None:
    (found,) = read_models([{"id": "a/b"}])
    assert (found.downloads, found.likes, found.updated, found.licence, found.gated) == (None, None, None, None, False)
    assert read_details({"id": "a/b", "sha": COMMIT}).description is None  # type: ignore[union-attr]


def test_a_revision_has_to_be_a_commit() -> None:
    for sha in (None, 7, "main", COMMIT[1:], "../" + COMMIT):
        assert read_details({**MODEL, "sha": sha}) is None


def test_size_and_digest_are_those_of_the_content_not_of_its_pointer() -> None:
    (part,) = read_files([WEIGHTS])
    assert (part.path, part.size_bytes, part.sha256) == ("a.gguf", 5_027_783_872, DIGEST)


def test_what_is_no_model_file_is_left_out() -> None:
    entries: list[Any] = [
        {"type": "directory", "path": "folder.gguf", "size": 1},
        {"type": "file", "path": "README.md", "size": 10},
        {"type": "file", "path": "empty.gguf", "size": 0},
        {"type": "file", "path": "minus.gguf", "size": -5},
        {"type": "file", "path": "true.gguf", "size": True},
        {"type": "file", "path": "endless.gguf", "size": 1 << 60},
        {"type": "file", "path": "line\nbreak.gguf", "size": 5},
        {"type": "file", "path": f"{'x' * 600}.gguf", "size": 5},
        {"type": "file", "path": 7, "size": 5},
        {"type": "file", "path": "../out.gguf", "size": 5},
        {"type": "file", "path": "/root.gguf", "size": 5},
        "a.gguf",
    ]
    assert read_files(entries) == ()


def test_a_digest_that_is_none_is_unknown() -> None:
    for oid in (None, 7, "0" * 40, DIGEST.upper(), "g" * 64):
        assert read_files([{**WEIGHTS, "lfs": {"oid": oid, "size": 9}}])[0].sha256 is None


@given(json_values | odd_records | st.lists(odd_records, max_size=3))
def test_any_json_is_read_or_left_out(answer: Any) -> None:
    read_models(answer)
    read_files(answer)
    read_details(answer)
