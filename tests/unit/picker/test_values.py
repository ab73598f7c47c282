"""Figures, quantizations, places, stops of the slider and typed arguments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema.model import ModelFile
from app.schema.quantization import without_quantization
from app.schema.record import ModelId
from app.ui.models import figures
from app.ui.models.arguments import split_arguments
from app.ui.models.context_steps import SMALLEST, nearest, steps
from app.ui.models.places import Program, program_of, program_words
from app.ui.models.quantizations import meaning

GIBI = 1 << 30


@pytest.mark.parametrize(
    ("count", "words"),
    [(5 * GIBI + 1, "5.1 GB"), (5 * GIBI, "5 GB"), (320 << 20, "320 MB"), ((320 << 20) + 1, "320.1 MB")],
)
def test_a_shortage_is_rounded_up(count: int, words: str) -> None:
    assert str(figures.missing(count)) == words


@given(st.integers(1, 1 << 50))
def test_a_shortage_is_never_told_too_small(count: int) -> None:
    amount, unit = str(figures.missing(count)).split()
    assert float(amount) * (GIBI if unit == "GB" else 1 << 20) >= count * (1 - 1e-9)


def test_what_is_unknown_is_a_dash() -> None:
    assert {str(each) for each in (figures.size(None), figures.duration(None), figures.speed(None))} == {"-"}


@pytest.mark.parametrize(("rate", "is_measured", "words"), [(21.4, False, "~21 tok/s"), (8.44, True, "8.4 tok/s")])
def test_an_estimated_speed_is_marked(rate: float, is_measured: bool, words: str) -> None:
    assert str(figures.speed(rate, is_measured)) == words


@pytest.mark.parametrize(
    ("count", "words"), [(137_000_000, "137M"), (1_500_000_000, "1.5B"), (32_800_000_000, "33B"), (10**12, "1T")]
)
def test_parameters(count: int, words: str) -> None:
    assert figures.parameters(count) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Q4_K_M", "recommended"),
        ("q8_0", "nearly lossless"),
        ("IQ2_XS", "smallest, clear loss"),
        ("UD-Q4_K_XL", "recommended"),
        ("BF16", "as trained"),
    ],
)
def test_quantizations_have_plain_words(name: str, words: str) -> None:
    assert str(meaning(name)) == words


@pytest.mark.parametrize("name", [None, "NVFP4", "something"])
def test_an_unknown_quantization_is_not_guessed_at(name: str | None) -> None:
    assert meaning(name) is None


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Qwen3-32B-Q4_K_M", "Qwen3-32B"), ("llama-UD-IQ2_XXS", "llama"), ("phi-4", "phi-4"), ("Q8_0", "Q8_0")],
)
def test_a_name_loses_its_quantization(name: str, plain: str) -> None:
    assert without_quantization(name) == plain


def lying_in(folder: str) -> ModelFile:
    path = f"{folder}/m.gguf"
    return ModelFile(id=ModelId("m"), path=path, folder=folder, size_bytes=1, modified=0.0, parts=(path,))


@pytest.mark.parametrize(
    ("folder", "program", "words"),
    [
        (r"C:\Users\Ann\.ollama\models\blobs", Program.OLLAMA, "Ollama"),
        ("/home/ann/.lmstudio/models/x", Program.LM_STUDIO, "LM Studio"),
        ("/home/ann/.cache/huggingface/hub/models--x", Program.HUGGING_FACE, "Hugging Face"),
        ("/home/ann/.cache/llama.cpp", Program.LLAMA_CPP, "llama.cpp"),
        (r"C:\Users\Ann\AppData\Local\Caravan\models", Program.CARAVAN, "Caravan"),
        (r"C:\Program Files\Caravan\resources\demo_model", Program.BUILT_IN, "built in"),
        (r"D:\große Dateien\models", Program.OTHER, "große Dateien/models"),
    ],
)
def test_the_program_whose_folder_it_is(folder: str, program: Program, words: str) -> None:
    assert program_of(lying_in(folder)) is program
    assert str(program_words(program, folder)) == words


@given(st.integers(1, 1 << 24), st.integers(1, 1 << 24))
def test_the_slider_stops_at_the_limit_and_at_what_was_asked(limit: int, asked: int) -> None:
    stops = steps(limit, asked)
    assert list(stops) == sorted(set(stops))
    assert stops[-1] == limit
    assert (asked in stops) == (asked <= limit)
    assert stops[0] == min(SMALLEST, limit, asked)


@given(st.integers(600, 1 << 20), st.integers(512, 1 << 20))
def test_the_nearest_stop_is_never_above(limit: int, context: int) -> None:
    stops = steps(limit)
    found = stops[nearest(stops, context)]
    assert found <= max(context, stops[0])
    assert not any(found < each <= context for each in stops)


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("", ()),
        ("--threads 8", ("--threads", "8")),
        (r'--alias "my model" -lv 3', ("--alias", "my model", "-lv", "3")),
        (r"--lora C:\adapters\a.gguf", ("--lora", r"C:\adapters\a.gguf")),
        ("--chat-template 'a b'", ("--chat-template", "a b")),
    ],
)
def test_a_line_of_arguments(line: str, items: tuple[str, ...]) -> None:
    assert split_arguments(line) == items
