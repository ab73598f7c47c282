"""Which files are one model, what it is called, and which one is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modelstore.hub.files import find_file, group_files, projector_for
from app.schema.download import HubFile, HubPart
from app.schema.errors import HubFileNotFound
from app.schema.quantization import Quality, quality_of, quantization_in, without_quantization


def grouped(*paths: str) -> tuple[HubFile, ...]:
    return group_files(HubPart(path=path, size_bytes=100 + index) for index, path in enumerate(paths))


def test_parts_are_one_model_and_quantizations_several() -> None:
    parts = ("Q8_0/Big-Q8_0-00002-of-00002.gguf", "Q8_0/Big-Q8_0-00001-of-00002.gguf")
    found = grouped(*parts, "Big-UD-Q4_K_XL.gguf", "Big-IQ2_M.gguf")
    assert [(each.name, each.quantization, len(each.parts)) for each in found] == [
        ("Big-UD-Q4_K_XL", "UD-Q4_K_XL", 1),
        ("Big-IQ2_M", "IQ2_M", 1),
        ("Q8_0/Big-Q8_0", "Q8_0", 2),
    ]
    assert [part.path for part in found[2].parts] == sorted(parts)
    assert found[2].size_bytes == 201


def test_a_model_that_lacks_a_part_is_left_out() -> None:
    assert grouped("a-00001-of-00003.gguf", "a-00003-of-00003.gguf") == ()


def test_the_folder_names_the_quantization_when_the_file_does_not() -> None:
    assert grouped("BF16/model.gguf")[0].quantization == "BF16"


def test_projectors_are_told_apart_and_importance_matrices_left_out() -> None:
    found = grouped("mmproj-F16.gguf", "m-Q4_0.gguf", "imatrix.gguf", "m-imatrix.gguf")
    assert [(each.name, each.is_projector) for each in found] == [("mmproj-F16", True), ("m-Q4_0", False)]


FILES = grouped("M-Q4_K_M.gguf", "M-UD-Q5_K_XL.gguf", "BF16/M-BF16-00001-of-00001.gguf")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("M-Q4_K_M", "M-Q4_K_M"),
        ("m-q4_k_m.gguf", "M-Q4_K_M"),
        ("Q4_K_M", "M-Q4_K_M"),
        ("q5_k_xl", "M-UD-Q5_K_XL"),
        ("UD-Q5_K_XL", "M-UD-Q5_K_XL"),
        ("BF16/M-BF16-00001-of-00001.gguf", "BF16/M-BF16"),
        ("M-BF16", "BF16/M-BF16"),
    ],
)
def test_a_file_is_found_by_what_people_call_it(wanted: str, name: str) -> None:
    assert find_file(FILES, wanted).name == name


def test_what_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(HubFileNotFound) as caught:
        find_file(FILES, "Q2_K")
    assert caught.value.hint == "It has Q4_K_M, UD-Q5_K_XL, BF16."


def test_the_projector_is_the_familys_or_the_only_kind() -> None:
    model = grouped("gemma-3-4b-it-Q4_K_M.gguf")[0]
    plain = grouped("mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf")
    named = grouped("mmproj-gemma-3-12b-it-f16.gguf", "mmproj-gemma-3-4b-it-f16.gguf")
    assert projector_for(model, plain).name == "mmproj-F16"  # type: ignore[union-attr]
    assert projector_for(model, named).name == "mmproj-gemma-3-4b-it-f16"  # type: ignore[union-attr]
    assert projector_for(model, grouped("mmproj-qwen2-vl-f16.gguf")) is None
    assert projector_for(model, ()) is None


paths = st.builds(
    "{}{}{}.gguf".format,
    st.sampled_from(["", "Q4_0/", "a/b/"]),
    st.sampled_from(["m", "M-Q4_0", "mmproj", "x.y", ".", ""]),
    st.sampled_from(["", "-00001-of-00002", "-00002-of-00002", "-00001-of-00003", "-00003-of-00002", "-0-of-1"]),
)


@given(st.lists(paths, unique=True, max_size=12))
def test_every_part_belongs_to_one_model_at_most(paths: list[str]) -> None:
    used = [part.path for file in grouped(*paths) for part in file.parts]
    assert len(used) == len(set(used))
    assert set(used) <= set(paths)


@pytest.mark.parametrize(
    ("name", "quantization", "bare"),
    [
        ("Qwen3-8B-Q4_K_M", "Q4_K_M", "Qwen3-8B"),
        ("Qwen3-8B.Q6_K", "Q6_K", "Qwen3-8B"),
        ("gpt-oss-20b-mxfp4", "MXFP4", "gpt-oss-20b"),
        ("x-UD-IQ1_S", "UD-IQ1_S", "x"),
        ("Qwen3-8B", None, "Qwen3-8B"),
        ("Q4_0", "Q4_0", "Q4_0"),
    ],
)
def test_a_quantization_is_at_the_end_of_a_name(name: str, quantization: str | None, bare: str) -> None:
    assert quantization_in(name) == quantization
    assert without_quantization(name) == bare


def test_what_quantizations_mean() -> None:
    assert quality_of("UD-Q4_K_XL") is Quality.BALANCED
    assert quality_of("IQ3_XXS") is Quality.SMALLER
    assert quality_of("bf16") is Quality.AS_TRAINED
    assert quality_of("fancy") is None
    assert quality_of(None) is None
