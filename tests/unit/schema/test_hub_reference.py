import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema.hub_reference import HubReference, is_repository, read_reference

QWEN = "unsloth/Qwen3-8B-GGUF"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (QWEN, HubReference(repository=QWEN)),
        (f"  {QWEN}/ ", HubReference(repository=QWEN)),
        (f"hf.co/{QWEN}", HubReference(repository=QWEN)),
        (f"hf.co/{QWEN}:Q4_K_M", HubReference(repository=QWEN, file="Q4_K_M")),
        (f"{QWEN}:q4_k_m", HubReference(repository=QWEN, file="q4_k_m")),
        (f"hf://{QWEN}", HubReference(repository=QWEN)),
        (f"https://huggingface.co/{QWEN}", HubReference(repository=QWEN)),
        (f"HTTPS://HuggingFace.co/{QWEN}?library=llama-cpp#usage", HubReference(repository=QWEN)),
        (f"https://huggingface.co/{QWEN}/tree/main", HubReference(repository=QWEN, revision="main")),
        (f"https://huggingface.co/{QWEN}/tree/main/BF16", HubReference(repository=QWEN, revision="main")),
        (
            f"https://huggingface.co/{QWEN}/blob/main/BF16/a%20b.gguf",
            HubReference(repository=QWEN, revision="main", file="BF16/a b.gguf"),
        ),
        (
            f"https://huggingface.co/{QWEN}/resolve/v1.0/x.gguf?download=true",
            HubReference(repository=QWEN, revision="v1.0", file="x.gguf"),
        ),
        (f"https://huggingface.co/{QWEN}/resolve/main/README.md", HubReference(repository=QWEN, revision="main")),
    ],
)
def test_what_people_paste_is_understood(text: str, expected: HubReference) -> None:
    assert read_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qwen3 8b",
        "qwen3",
        "qwen / coder",
        "https://example.com/unsloth/Qwen3-8B-GGUF",
        "https://huggingface.co/datasets/some/data",
        "https://huggingface.co/unsloth",
        "../../etc",
        "a/..",
        "a/b--c",
        "a/b.git",
        f"{QWEN}/discussions/1",
        "C:\\models\\a.gguf",
        "x" * 2000 + "/y",
    ],
)
def test_everything_else_is_words_to_search_for(text: str) -> None:
    assert read_reference(text) is None


@given(st.text())
def test_any_text_is_a_good_reference_or_none(text: str) -> None:
    found = read_reference(text)
    assert found is None or is_repository(found.repository)


@given(st.from_regex(r"[a-z/.:%@-]{0,8}[A-Za-z0-9]{1,5}/[A-Za-z0-9._%/:-]{1,20}", fullmatch=True))
def test_a_reference_never_leaves_its_repository(text: str) -> None:
    found = read_reference(text)
    if found is not None:
        owner, name = found.repository.split("/")
        assert owner not in {"", ".", ".."}
        assert name not in {"", ".", ".."}
        assert ".." not in (found.revision or "")
