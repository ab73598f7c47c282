from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modelstore.folders import default_folders
from app.modelstore.lookup import find_model
from app.modelstore.naming import Group, base_name, group_parts, pair_projectors, unique_ids
from app.modelstore.walk import FoundFile
from app.schema.errors import ModelNotFound
from app.schema.model import ModelFile
from app.schema.record import ModelId


def _found(path: str) -> FoundFile:
    return FoundFile(Path(path), 1, 1, path)


def _group(path: str) -> Group:
    return Group(base_name(Path(path).name), (_found(path),))


def _ids(*paths: str) -> list[str]:
    return unique_ids([_group(path) for path in paths])


def _model(model_id: str, *parts: str) -> ModelFile:
    return ModelFile(id=ModelId(model_id), path=parts[0], folder="", size_bytes=1, modified=0, parts=parts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.gguf", "a"),
        ("A.GGUF", "A"),
        ("a.b-00001-of-00002.gguf", "a.b"),
        ("a-00003-of-00002.gguf", "a-00003-of-00002"),
        ("a-00000-of-00002.gguf", "a-00000-of-00002"),
        ("-00001-of-00002.gguf", "-00001-of-00002"),
        ("sha256-ab", "sha256-ab"),
    ],
)
def test_base_name(name: str, expected: str) -> None:
    assert base_name(name) == expected


def test_groups_keep_folders_and_totals_apart() -> None:
    files = [
        _found("/x/m-00002-of-00002.gguf"),
        _found("/x/m-00001-of-00002.gguf"),
        _found("/y/m-00001-of-00002.gguf"),
        _found("/x/m-00001-of-00003.gguf"),
        _found("/x/m.gguf"),
    ]
    groups = [[file.path.as_posix() for file in group.files] for group in group_parts(files)]
    assert groups == [
        ["/x/m-00001-of-00002.gguf", "/x/m-00002-of-00002.gguf"],
        ["/y/m-00001-of-00002.gguf"],
        ["/x/m-00001-of-00003.gguf"],
        ["/x/m.gguf"],
    ]


def test_a_clash_takes_the_folder_in() -> None:
    assert _ids("/a/x/m.gguf", "/b/y/M.gguf", "/c/n.gguf") == ["m@x", "M@y", "n"]
    assert _ids("/a/x/m.gguf", "/b/x/m.gguf") == ["m@a/x", "m@b/x"]
    assert _ids("/a/m.gguf", "/a/m-00001-of-00001.gguf") == ["m@a", "m@a#2"]


def test_a_clash_in_a_hugging_face_cache_takes_the_repository_in() -> None:
    paths = (f"/hub/models--{owner}--R-GGUF/snapshots/{'0' * 40}/m.gguf" for owner in ("one", "two"))
    assert _ids(*paths) == ["m@one/R-GGUF", "m@two/R-GGUF"]


_NAMES = st.sampled_from(["m", "M", "n", "m@x", "x"])


@given(st.lists(st.tuples(_NAMES, _NAMES, _NAMES), unique=True, max_size=12), st.randoms())
def test_ids_are_unique_and_do_not_depend_on_order(places: list[tuple[str, str, str]], random: object) -> None:
    paths = ["/" + "/".join(place) + ".gguf" for place in places]
    ids = dict(zip(paths, _ids(*paths), strict=True))
    assert len({text.casefold() for text in ids.values()}) == len(paths)
    other = sorted(paths, reverse=True)
    mixed = {path.casefold() for path in paths}
    if len(mixed) == len(paths):  # else only the order can tell them apart
        assert dict(zip(other, _ids(*other), strict=True)) == ids


@pytest.mark.parametrize(
    ("model", "projectors", "expected"),
    [
        ("gemma-3-4b-it-Q4_K_M", ["mmproj-F16", "mmproj-BF16"], "mmproj-F16"),
        ("gemma-3-4b-it-Q4_K_M", ["mmproj-BF16", "mmproj-Q8_0"], "mmproj-BF16"),
        ("gemma-3-4b-it-UD-Q4_K_XL", ["mmproj-gemma-3-4b-it-f16"], "mmproj-gemma-3-4b-it-f16"),
        ("gemma-3-4b-it-iq2_xxs", ["gemma-3-4b-it-mmproj-f16"], "gemma-3-4b-it-mmproj-f16"),
        ("ggml-model-q4_k", ["mmproj-model-f16"], "mmproj-model-f16"),
        ("gemma-3-4b-it-Q4_K_M", ["mmproj-qwen-f16", "mmproj-pixtral-f16"], None),
    ],
)
def test_projector_of_a_folder(model: str, projectors: list[str], expected: str | None) -> None:
    pairs = pair_projectors([_group(f"/m/{model}.gguf")], [_group(f"/m/{name}.gguf") for name in projectors])
    assert pairs.get(Path(f"/m/{model}.gguf")) == (Path(f"/m/{expected}.gguf") if expected else None)


def test_no_guess_in_a_folder_of_many_families() -> None:
    models = [_group(f"/m/{name}.gguf") for name in ("gemma-3-4b-it-Q4_K_M", "gemma-3-4b-it-Q8_0", "qwen-7b-Q8_0")]
    assert pair_projectors(models, [_group("/m/mmproj-F16.gguf")]) == {}
    pairs = pair_projectors(models, [_group("/m/mmproj-qwen-7b-F16.gguf")])
    assert pairs == {Path("/m/qwen-7b-Q8_0.gguf"): Path("/m/mmproj-qwen-7b-F16.gguf")}
    assert pair_projectors(models, [_group("/elsewhere/mmproj-qwen-7b-F16.gguf")]) == {}


MODELS = [
    _model("Camel-7B", "/m/Camel-7B-00001-of-00002.gguf", "/m/Camel-7B-00002-of-00002.gguf"),
    _model("m@x", "/x/m.gguf"),
    _model("m@y", "/y/m.gguf"),
    _model("dune:latest", "/o/blobs/sha256-" + "ab" * 32),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Camel-7B", "Camel-7B"),
        (" camel-7b ", "Camel-7B"),
        ("CAMEL-7B.gguf", "Camel-7B"),
        ("camel-7b-00002-of-00002.gguf", "Camel-7B"),
        ("/m/Camel-7B-00002-of-00002.gguf", "Camel-7B"),
        ("/m/../x/m.gguf", "m@x"),
        ("M@Y", "m@y"),
        ("dune", "dune:latest"),
    ],
)
def test_find(name: str, expected: str) -> None:
    assert find_model(MODELS, name).id == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("m", ["fits 2 models", "m@x", "m@y"]),
        ("m.gguf", ["fits 2 models"]),
        ("camel", ["no model 'camel'", "Did you mean Camel-7B?"]),
        ("Cammel-7", ["Did you mean Camel-7B?"]),
        ("/z/m.gguf", ["no model"]),
        ("zzzzzzzz", ["add the folder"]),
        ("", ["no model"]),
    ],
)
def test_find_explains(name: str, words: list[str]) -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_model(MODELS, name)
    for word in words:
        assert word in f"{caught.value.sentence} {caught.value.hint}"


def _folders(home: Path, environment: dict[str, str], *make: str) -> list[str]:
    for name in make:
        (home / name).mkdir(parents=True, exist_ok=True)
    return [folder.relative_to(home).as_posix() for folder in default_folders(home, environment)]


def test_default_folders_that_exist(tmp_path: Path) -> None:
    assert _folders(tmp_path, {}) == []
    usual = [
        ".lmstudio/models",
        ".cache/lm-studio/models",
        ".cache/huggingface/hub",
        ".cache/llama.cpp",
        ".ollama/models",
    ]
    assert _folders(tmp_path, {}, *usual) == usual


def test_default_folders_that_were_moved(tmp_path: Path) -> None:
    environment = {
        "HF_HOME": str(tmp_path / "hf"),
        "LLAMA_CACHE": str(tmp_path / "llama"),
        "OLLAMA_MODELS": f'"{tmp_path / "o"}"',
        "XDG_CACHE_HOME": "",
    }
    made = ("hf/hub", "llama", "o", ".ollama/models", ".cache/huggingface/hub")
    assert _folders(tmp_path, environment, *made) == ["hf/hub", "llama", "o"]
    environment |= {"HF_HUB_CACHE": "~/elsewhere", "OLLAMA_MODELS": "relative"}
    assert _folders(tmp_path, environment, "elsewhere") == ["elsewhere", "llama", ".ollama/models"]


def test_default_folders_of_windows(tmp_path: Path) -> None:
    environment = {"LOCALAPPDATA": str(tmp_path / "AppData" / "Local")}
    assert _folders(tmp_path, environment, "AppData/Local/llama.cpp") == ["AppData/Local/llama.cpp"]
