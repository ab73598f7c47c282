"""Describing a cluster in a file: what is understood, and how mistakes are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.cluster_file import read_cluster
from app.planner.plan import plan
from app.schema.errors import InputError
from app.schema.plan import Plan
from app.system.paths import resources_folder
from tests.unit.planner.samples import ask, shape

DESK: dict[str, Any] = {"name": "desk", "holds_model": True, "devices": [{"device": "CUDA0", "total": "24 GB"}]}
ATTIC: dict[str, Any] = {"name": "attic", "devices": [{"device": "CPU", "total": 8, "free": 4}]}
CARD = {"device": "CUDA0", "total": "24 GB"}
FAST = {
    "device": "CPU",
    "total": "24 GB",
    "bandwidth": "20 GB/s",
    "compute": "0.1 TFLOP/s",
    "repacked_bandwidth": "21 GB/s",
    "repacked_compute": "0.2 TFLOP/s",
}
SLOW = {"device": "CPU", "total": "24 GB", "bandwidth": "20 GB/s", "compute": "0.1 TFLOP/s"}
LINK = {"between": ["desk", "attic"], "round_trip": "1 ms"}


def written(folder: Path, content: object) -> Path:
    path = folder / "Mein Cluster ü.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_the_example_is_understood_and_can_be_planned() -> None:
    view = read_cluster(resources_folder() / "examples" / "cluster.json")
    assert [node.name for node in view.nodes] == ["desk", "attic", "laptop"]
    assert view.nodes[0].devices[0].free_bytes == round(14.5 * (1 << 30))
    assert view.nodes[0].devices[0].bandwidth == 500e9
    assert view.nodes[1].devices[1].compute == 0.25e12
    assert view.links[0].round_trip == pytest.approx(0.0004)
    assert view.links[0].throughput == pytest.approx(312.5e6)
    found = plan(ask(), shape((600 << 20,) * 32, parameters=8 * 10**9), view)
    assert isinstance(found, Plan)
    assert found.prediction is not None


def test_numbers_are_plain_units_and_free_defaults_to_all(tmp_path: Path) -> None:
    link = {"between": ["desk", "attic"], "round_trip": 0.001, "throughput": 1e8}
    view = read_cluster(written(tmp_path, {"pcs": [DESK, ATTIC], "links": [link]}))
    assert view.nodes[0].devices[0].free_bytes == 24 << 30
    assert view.nodes[1].devices[0].is_cpu
    assert (view.links[0].round_trip, view.links[0].throughput) == (0.001, 1e8)
    assert view.this_node == "desk"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"pcs": []}, "pcs"),
        ({"pcs": [DESK | {"devices": []}]}, "pcs[0].devices"),
        ({"pcs": [DESK | {"hold_model": True}]}, "pcs[0].hold_model: there is no such field"),
        ({"pcs": [DESK | {"devices": [{"device": "CUDA0", "total": "24 apples"}]}]}, "write for example '24 GB'"),
        ({"pcs": [DESK | {"devices": [{"device": "CUDA0", "total": "24 GB/s"}]}]}, "no amount in B"),
        ({"pcs": [DESK | {"devices": [{"device": "CUDA0", "total": "9" * 400 + " GB"}]}]}, "should be less than"),
        ({"pcs": [DESK | {"devices": [{"device": "CPU", "total": 1, "free": 2}]}]}, "more memory free than in all"),
        ({"pcs": [DESK, ATTIC | {"name": "DESK"}]}, "Two PCs in the file are named"),
        ({"pcs": [ATTIC]}, "No PC in the file holds the model"),
        ({"pcs": [DESK], "links": [{"between": ["desk", "cellar"]}]}, "names cellar"),
        ({"pcs": [DESK], "links": [{"between": ["desk", "desk"], "round_trip": "soon"}]}, "'soon' is no time"),
        ({"pcs": [DESK, ATTIC], "links": [LINK, {"between": ["attic", "desk"]}]}, "two links between desk and attic"),
        ({"pcs": [DESK | {"devices": [CARD | {"repacked_bandwidth": 1e9}]}]}, "CUDA0 of desk is given"),
        ({"pcs": [DESK | {"devices": [CARD, FAST]}]}, "desk has a GPU: llama.cpp rearranges no weights"),
        ({"pcs": [DESK | {"devices": [{**FAST, "repacked_compute": None}]}]}, "CPU of desk has only part"),
        ({"pcs": [DESK | {"devices": [{**FAST, "bandwidth": None}]}]}, "CPU of desk has only part"),
        ({"pcs": [DESK | {"devices": [FAST | {"repacked_bandwidth": "0 GB/s"}]}]}, "repacked_bandwidth"),
        ({"pcs": [DESK | {"devices": [CARD | {"repacked_prompt_bandwidth": 1e9}]}]}, "CUDA0 of desk is given"),
        ({"pcs": [DESK | {"devices": [SLOW | {"repacked_prompt_bandwidth": 1e9}]}]}, "CPU of desk has only part"),
        ({"pcs": [DESK | {"devices": [FAST | {"prompt_bandwidth": 1e9}]}]}, "one kind of weights only"),
        ({"pcs": [DESK | {"devices": [FAST | {"repacked_prompt_bandwidth": 1e9}]}]}, "one kind of weights only"),
        ({"pcs": [DESK | {"devices": [FAST | {"step_compute": 1e11}]}]}, "`step_compute` for one kind of weights"),
        ({"pcs": [DESK | {"devices": [SLOW | {"repacked_step_compute": 1e9}]}]}, "CPU of desk has only part"),
        ({"pcs": [DESK | {"devices": [CARD | {"prompt_bandwidth": "soon"}]}]}, "prompt_bandwidth"),
        ({"pcs": [DESK | {"kept": "some"}]}, 'pcs[0].kept: layers are expected, for example ["0-15", "output"], or'),
        ({"pcs": [DESK | {"kept": [3]}]}, "pcs[0].kept: layers are expected"),
        ({"pcs": [DESK | {"kept": ["a-b"]}]}, "'a-b' are no layers"),
        ({"pcs": [DESK | {"kept": ["-1"]}]}, "'-1' are no layers"),
        ({"pcs": [DESK | {"kept": ["9-3"]}]}, "'9-3' ends before it begins; write '3-9'"),
        ({"pcs": [DESK | {"kept": ["0-5000"]}]}, "no model has a layer 5000; they are counted from 0"),
        ([], "the whole: an object in braces is expected"),
        ({"pcs": [{"name": "desk"}]}, "pcs[0].devices: this has to be there"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(InputError) as error:
        read_cluster(written(tmp_path, content))
    assert told in error.value.sentence
    assert error.value.hint


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b" " * (2 << 20)])
def test_what_is_no_json_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"c\.json"):
        read_cluster(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_cluster(tmp_path / "none.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_windows_saves_as_text_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"pcs": [DESK | {"name": "Büro"}]}, ensure_ascii=False), encoding)
    assert read_cluster(path).nodes[0].name == "Büro"


def test_another_encoding_is_named_as_the_mistake(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"pcs": [DESK | {"name": "Büro"}]}, ensure_ascii=False), "latin-1")
    with pytest.raises(InputError, match="Save it as UTF-8"):
        read_cluster(path)


def test_the_processor_is_the_engines_in_any_case(tmp_path: Path) -> None:
    (device,) = (
        read_cluster(written(tmp_path, {"pcs": [DESK | {"devices": [{"device": "cpu", "total": 5}]}]})).nodes[0].devices
    )
    assert (device.device, device.is_cpu) == ("CPU", True)


@pytest.mark.parametrize(("faster", "repacks"), [("0.2 TFLOP/s", True), ("0.05 TFLOP/s", False)])
def test_a_processor_alone_takes_the_weights_as_they_are_faster(tmp_path: Path, faster: str, repacks: bool) -> None:
    pc = {"name": "desk", "holds_model": True, "devices": [FAST | {"repacked_compute": faster}]}
    found = plan(ask(), shape((600 << 20,) * 8, parameters=8 * 10**9), read_cluster(written(tmp_path, {"pcs": [pc]})))
    assert isinstance(found, Plan)
    assert found.repacks is repacks


def test_a_slower_pass_makes_prompts_slower_and_answers_not(tmp_path: Path) -> None:
    def planned(**more: str) -> Plan:
        pc = DESK | {"devices": [CARD | {"bandwidth": "400 GB/s", "compute": "20 TFLOP/s", **more}]}
        view = read_cluster(written(tmp_path, {"pcs": [pc]}))
        found = plan(ask(), shape((600 << 20,) * 8, parameters=8 * 10**9), view)
        assert isinstance(found, Plan)
        return found

    usual, slower = planned().prediction, planned(prompt_bandwidth="200 GB/s").prediction
    assert usual is not None
    assert slower is not None
    assert slower.decode == usual.decode
    passes = 2 * 8 * (600 << 20)
    assert slower.first_token - usual.first_token == pytest.approx(passes / 200e9 - passes / 400e9, rel=0.01)


def test_further_tokens_of_a_step_make_several_conversations_slower(tmp_path: Path) -> None:
    def speed(slots: int, **more: str) -> float:
        pc = DESK | {"devices": [CARD | {"bandwidth": "400 GB/s", "compute": "20 TFLOP/s", **more}]}
        view = read_cluster(written(tmp_path, {"pcs": [pc]}))
        found = plan(ask(slots=slots), shape((600 << 20,) * 8, parameters=8 * 10**9), view)
        assert isinstance(found, Plan)
        assert found.prediction is not None
        return found.prediction.decode

    dear = {"step_compute": "2 TFLOP/s"}
    assert speed(1, **dear) == speed(1)
    assert speed(4, **dear) < 0.7 * speed(4)


@pytest.mark.parametrize(("pass_of_them", "repacks"), [("19 GB/s", True), ("0.5 GB/s", False)])
def test_passes_with_rearranged_weights_count_in_the_choice(tmp_path: Path, pass_of_them: str, repacks: bool) -> None:
    told = {"repacked_bandwidth": "20 GB/s", "repacked_compute": "0.1 TFLOP/s"}
    told |= {"prompt_bandwidth": "18 GB/s", "repacked_prompt_bandwidth": pass_of_them}
    pc = DESK | {"devices": [FAST | told]}
    found = plan(ask(), shape((600 << 20,) * 8, parameters=8 * 10**9), read_cluster(written(tmp_path, {"pcs": [pc]})))
    assert isinstance(found, Plan)
    assert found.repacks is repacks


def test_what_a_worker_keeps_is_not_sent_again(tmp_path: Path) -> None:
    def planned(kept: object) -> Plan:
        small = DESK | {"devices": [CARD | {"total": "6 GB"}]}
        pcs = [small, {"name": "attic", "devices": [CARD | {"bandwidth": "300 GB/s"}]}]
        pcs[1] |= {} if kept is None else {"kept": kept}
        size = (600 << 20,) * 16
        model = shape(size, layer_large_bytes=size, output_large_bytes=0)
        found = plan(ask(), model, read_cluster(written(tmp_path, {"pcs": pcs, "links": [LINK]})))
        assert isinstance(found, Plan)
        return found

    never, saving, some, everything = (planned(kept) for kept in (None, [], [" 0 - 3", "15"], "all"))
    sent = sum(stage.weight_bytes for stage in never.stages if stage.node == "attic")
    assert (never.kept_on, saving.kept_on, everything.kept_on) == ((), (), (("attic", sent),))
    (told,) = some.kept_on
    assert 0 < told[1] < sent
    loads = [each.prediction.load or 0.0 for each in (everything, some, saving) if each.prediction]
    assert loads == sorted(set(loads))
    assert len(loads) == 3
