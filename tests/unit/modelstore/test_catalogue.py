import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.modelstore.catalogue import Catalogue
from app.modelstore.gguf import read_shape
from app.schema.errors import ModelNotFound
from app.schema.model import ModelShape
from tests.unit.modelstore.sample_files import write_model, write_projector


class Reads:
    """The real reader, counting what it is asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, path: Path) -> ModelShape:
        self.names.append(path.name)
        return read_shape(path)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_model(folder / "deep" / "er" / "Camel-7B-Q4_K_M.gguf")
    write_model(folder / "Wüste 沙漠 🐫" / "Düne.gguf")
    (folder / "broken.gguf").write_bytes(b"GGUF")
    (folder / "notes.txt").write_text("no model")
    (folder / "._broken.gguf").write_bytes(b"shadow")
    return folder


@pytest.fixture
def make(models: Path, tmp_path: Path) -> Callable[[Reads], Catalogue]:
    return lambda reads: Catalogue([models, tmp_path / "not there"], tmp_path / "cache", reads)


def test_scan_lists_everything_readable_or_not(make: Callable[[Reads], Catalogue], models: Path) -> None:
    catalogue = make(Reads())
    assert catalogue.models == ()
    found = catalogue.scan()
    assert [model.id for model in found] == ["broken", "Camel-7B-Q4_K_M", "Düne"]
    broken, camel, dune = found
    assert broken.shape is None
    assert broken.problem is not None
    assert broken.problem.code == "gguf_truncated"
    assert camel.shape is not None
    assert camel.problem is None
    assert camel.folder == str(models / "deep" / "er")
    assert camel.parts == (camel.path,)
    assert camel.size_bytes == os.path.getsize(camel.path)
    assert camel.modified == pytest.approx(os.path.getmtime(camel.path))
    assert catalogue.find(dune.path) == dune


def test_second_scan_reads_nothing_also_in_a_new_process(make: Callable[[Reads], Catalogue]) -> None:
    first, again = Reads(), Reads()
    catalogue = make(first)
    found = catalogue.scan()
    assert len(first.names) == 3
    assert catalogue.scan() == found
    assert len(first.names) == 3
    assert make(again).scan() == found
    assert again.names == []


def test_a_changed_file_is_read_again(make: Callable[[Reads], Catalogue], models: Path) -> None:
    make(Reads()).scan()
    path = models / "deep" / "er" / "Camel-7B-Q4_K_M.gguf"
    os.utime(path, (1, 1))
    write_model(models / "broken.gguf")
    reads = Reads()
    found = {model.id: model for model in make(reads).scan()}
    assert sorted(reads.names) == ["Camel-7B-Q4_K_M.gguf", "broken.gguf"]
    assert found["broken"].problem is None
    assert found["Camel-7B-Q4_K_M"].modified == pytest.approx(1.0)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[]", b'{"reader_version": 1, "entries": {"x": 1}}'])
def test_a_damaged_memory_is_dropped(
    make: Callable[[Reads], Catalogue], tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    found = make(Reads()).scan()
    (memory,) = (tmp_path / "cache").iterdir()
    memory.write_bytes(damage)
    reads = Reads()
    with caplog.at_level(logging.WARNING):
        assert make(reads).scan() == found
    assert len(reads.names) == 3
    assert "starting over" in caplog.text
    again = Reads()
    make(again).scan()
    assert again.names == []


def test_a_memory_of_another_reader_is_not_used(make: Callable[[Reads], Catalogue], tmp_path: Path) -> None:
    make(Reads()).scan()
    (memory,) = (tmp_path / "cache").iterdir()
    content = json.loads(memory.read_bytes())
    memory.write_text(json.dumps({**content, "reader_version": 0}))
    reads = Reads()
    make(reads).scan()
    assert len(reads.names) == 3


def test_an_unwritable_memory_is_only_logged(models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert len(Catalogue([models], tmp_path / "cache").scan()) == 3
    assert "cannot remember" in caplog.text


def test_a_passing_problem_is_not_remembered(tmp_path: Path) -> None:
    path = write_model(tmp_path / "models" / "m.gguf")

    def gone(_: Path) -> ModelShape:
        return read_shape(path.with_name("unplugged.gguf"))

    (model,) = Catalogue([path.parent], tmp_path / "cache", gone).scan()
    assert model.problem is not None
    (model,) = Catalogue([path.parent], tmp_path / "cache").scan()
    assert model.problem is None


def _link(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this account may not make links")


def test_links_and_loops(models: Path, tmp_path: Path) -> None:
    _link(models / "deep" / "loop", models)
    _link(models / "dangling.gguf", tmp_path / "nothing")
    _link(models / "AAA.gguf", models / "Wüste 沙漠 🐫" / "Düne.gguf")
    assert [model.id for model in Catalogue([models, models / "deep"], tmp_path / "cache").scan()] == [
        "broken",
        "Camel-7B-Q4_K_M",
        "Düne",
    ]


def test_a_hugging_face_cache_lists_the_snapshot_once(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--desert--Camel-GGUF"
    blob = write_model(repository / "blobs" / ("ab" * 32))
    for revision in ("1" * 40, "2" * 40):
        (repository / "snapshots" / revision).mkdir(parents=True)
        _link(repository / "snapshots" / revision / "camel-q8_0.gguf", blob)
    (model,) = Catalogue([tmp_path / "hub"], tmp_path / "cache").scan()
    assert model.id == "camel-q8_0"
    assert Path(model.path).parent.name == "1" * 40
    assert model.size_bytes == blob.stat().st_size


def test_parts_are_one_model(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for number in (1, 2, 3):
        keys = {"split.count": 3, "split.no": number - 1}
        write_model(folder / f"big-q4_0-0000{number}-of-00003.gguf", extra_keys=keys)
    catalogue = Catalogue([folder], tmp_path / "cache", lambda path: read_shape(path.with_name("whole.gguf")))
    (model,) = catalogue.scan()
    assert model.id == "big-q4_0"
    assert [Path(part).name[-20:] for part in model.parts] == [f"-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    assert model.path == model.parts[0]
    assert model.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert catalogue.find("big-q4_0-00002-of-00003.gguf") == model


def test_an_arriving_part_makes_the_model_whole_again(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for number in (1, 2):
        keys = {"split.count": 2, "split.no": number - 1}
        write_model(folder / f"m-0000{number}-of-00002.gguf", extra_keys=keys)
    aside = (folder / "m-00002-of-00002.gguf").rename(tmp_path / "aside")
    catalogue = Catalogue([folder], tmp_path / "cache")
    (model,) = catalogue.scan()
    assert model.problem is not None
    assert "Part 2 of 2" in model.problem.sentence
    shutil.move(aside, folder / "m-00002-of-00002.gguf")
    (model,) = catalogue.scan()
    assert model.shape is not None
    assert model.shape.split_count == 2


def test_projectors_are_paired_and_listed(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "gemma"
    write_model(folder / "gemma-3-4b-it-Q4_K_M.gguf")
    write_projector(folder / "mmproj-F16.gguf")
    write_projector(folder / "mmproj-BF16.gguf")
    write_model(tmp_path / "models" / "other.gguf")
    found = {model.id: model for model in Catalogue([tmp_path / "models"], tmp_path / "cache").scan()}
    assert found["gemma-3-4b-it-Q4_K_M"].projector_path == str(folder / "mmproj-F16.gguf")
    assert found["other"].projector_path is None
    projector = found["mmproj-F16"].shape
    assert projector is not None
    assert projector.is_projector


def test_a_projector_that_cannot_be_read_blinds_no_model_that_has_another(tmp_path: Path) -> None:
    for folder, is_alone in (("one", True), ("two", False)):
        write_model(tmp_path / folder / f"{folder}-4b-Q8_0.gguf")
        (tmp_path / folder / "mmproj-F16.gguf").write_bytes(write_projector(tmp_path / "whole.gguf").read_bytes()[:100])
        if not is_alone:
            write_projector(tmp_path / folder / "mmproj-BF16.gguf")
    (tmp_path / "whole.gguf").unlink()
    found = {model.id: model.projector_path for model in Catalogue([tmp_path], tmp_path / "cache").scan()}
    assert (found["one-4b-Q8_0"], found["two-4b-Q8_0"]) == (None, str(tmp_path / "two" / "mmproj-BF16.gguf"))


def _ollama_blob(folder: Path, source: Path) -> str:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    shutil.move(source, folder / "blobs" / f"sha256-{digest}")
    return f"sha256:{digest}"


def _manifest(path: Path, layers: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


def test_ollama_models_have_their_ollama_names(tmp_path: Path) -> None:
    folder = tmp_path / "ollama"
    model = _ollama_blob(folder, write_model(tmp_path / "m"))
    projector = _ollama_blob(folder, write_projector(tmp_path / "p"))
    layers = [
        {"mediaType": "application/vnd.ollama.image.model", "digest": model},
        {"mediaType": "application/vnd.ollama.image.projector", "digest": projector},
    ]
    manifests = folder / "manifests"
    _manifest(manifests / "registry.ollama.ai" / "library" / "camel" / "latest", layers)
    _manifest(manifests / "registry.ollama.ai" / "desert" / "camel" / "7b", layers[:1])
    _manifest(manifests / "hf.co" / "desert" / "Camel" / "Q8_0", layers[:1])
    evil = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../etc/passwd"}
    _manifest(manifests / "registry.ollama.ai" / "library" / "evil" / "latest", [evil])
    (manifests / "registry.ollama.ai" / "library" / "evil" / "broken").write_bytes(b"{[")
    reads = Reads()
    catalogue = Catalogue([folder, folder], tmp_path / "cache", reads)
    found = {model.id: model for model in catalogue.scan()}
    assert list(found) == ["camel:latest", "desert/camel:7b", "hf.co/desert/Camel:Q8_0"]
    assert sorted(reads.names) == sorted(digest.replace(":", "-") for digest in (model, projector))
    assert found["camel:latest"].projector_path == str(folder / "blobs" / projector.replace(":", "-"))
    assert found["camel:latest"].shape is not None
    assert catalogue.find("camel") == found["camel:latest"]


def test_find_sees_the_last_finished_scan(models: Path, tmp_path: Path) -> None:
    catalogue = Catalogue([models], tmp_path / "cache")
    with pytest.raises(ModelNotFound) as caught:
        catalogue.find("camel")
    assert "No GGUF file" in caught.value.hint
    catalogue.scan()
    before = catalogue.models
    shutil.rmtree(models)
    assert catalogue.find("camel-7b-q4_k_m").id == "Camel-7B-Q4_K_M"
    assert catalogue.scan() == ()
    assert len(before) == 3


def test_a_warm_scan_of_many_is_quick(tmp_path: Path) -> None:
    source = write_model(tmp_path / "m.gguf")
    folder = tmp_path / "models"
    folder.mkdir()
    for number in range(100):
        shutil.copyfile(source, folder / f"model-{number}.gguf")
    Catalogue([folder], tmp_path / "cache").scan()
    reads = Reads()
    catalogue = Catalogue([folder], tmp_path / "cache", reads)
    begun = time.process_time()
    assert len(catalogue.scan()) == 100
    assert time.process_time() - begun < 2.0
    assert reads.names == []
