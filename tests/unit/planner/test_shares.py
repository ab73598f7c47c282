"""What the user decides: PCs that must take part, a split of their own."""

import pytest

from app.planner.plan import plan
from app.schema.plan import Plan, Refusal
from tests.unit.planner.samples import GIB, ask, cluster, cpu, gpu, node, shape

EIGHT = shape((GIB,) * 8)
PAIR = cluster(node("WORKSHOP", gpu(12 * GIB), cpu(32 * GIB), holds=True), node("DEN", gpu(6 * GIB)))

IDLE = cluster(node("WORKSHOP", gpu(12 * GIB), holds=True), node("DEN", gpu(6 * GIB), cpu(8 * GIB)))


def share(name: str, device: str, layers: int) -> dict[str, object]:
    return {"node": name, "device": device, "layers": layers}


def refusal(*shares: dict[str, object], view: object = PAIR, **wishes: object) -> str:
    found = plan(ask(shares=shares, **wishes), EIGHT, view)  # type: ignore[arg-type]
    assert isinstance(found, Refusal), found
    return found.sentence


def test_a_fixed_split_is_taken_as_it_is() -> None:
    shares = (share("den", "CUDA0", 3), share("workshop", "CUDA0", 5))
    found = plan(ask(shares=shares), EIGHT, PAIR)
    assert isinstance(found, Plan)
    assert [(s.node_name, s.first_layer, s.last_layer) for s in found.stages] == [("DEN", 0, 2), ("WORKSHOP", 3, 7)]
    assert (found.gpu_layers, found.tensor_split) == (9, (3, 6))
    # The order is the user's: the output layer may lie on a worker.
    turned = plan(ask(shares=shares[::-1]), EIGHT, PAIR)
    assert isinstance(turned, Plan)
    assert turned.stages[-1].node_name == "DEN"
    assert turned.stages[-1].holds_output


def test_the_stages_of_a_plan_as_shares_make_that_plan() -> None:
    both = cluster(
        node("DEN", gpu(6 * GIB), holds=True),
        node("WORKSHOP", gpu(7 * GIB), cpu(32 * GIB), holds=True),
        node("ATTIC", gpu(16 * GIB), holds=True),
    )
    for wishes in ({"avoid": ("attic",)}, {"use": ("den",), "pcs": 2}, {"head": "workshop", "avoid": ("attic",)}, {}):
        planned = plan(ask(**wishes), EIGHT, both)
        assert isinstance(planned, Plan), wishes
        shares = [share(each.node, each.device, each.layers) for each in planned.stages]
        again = plan(ask(shares=tuple(shares)), EIGHT, both)
        assert isinstance(again, Plan)
        assert (again.head, again.stages) == (planned.head, planned.stages), wishes


def test_the_heads_processor_first() -> None:
    found = plan(ask(shares=(share("workshop", "CPU", 6), share("den", "CUDA0", 2))), EIGHT, PAIR)
    assert isinstance(found, Plan)
    assert (found.gpu_layers, found.tensor_split) == (3, (3,))
    assert refusal(share("den", "CUDA0", 2), share("workshop", "CPU", 6)) == (
        "The layers on the processor of WORKSHOP, which runs the model, have to be the first ones."
    )


def test_a_share_of_nothing_leaves_a_pc_out() -> None:
    found = plan(ask(shares=(share("den", "CUDA0", 0), share("workshop", "CUDA0", 8))), EIGHT, PAIR)
    assert isinstance(found, Plan)
    assert found.pcs == 1
    assert found.left_out[0].sentence == "DEN has no layers in the split you set."


def test_splits_that_cannot_be() -> None:
    assert refusal(share("den", "CUDA0", 3)) == "The split places 3 layers; Test-8B has 8."
    assert refusal(share("den", "CUDA1", 8)) == "DEN has no device CUDA1."
    assert refusal(share("attic", "CUDA0", 8)) == "The split names a PC that is not in the cluster."
    assert refusal(share("den", "CUDA0", 4), share("den", "CUDA0", 4)) == (
        "A device has two shares. Give each device one."
    )
    assert refusal(share("den", "CUDA0", 8), avoid=("den",)) == "DEN is left out as you asked."
    other = cluster(node("WORKSHOP", gpu(12 * GIB), holds=True), node("DEN", gpu(12 * GIB), build="7827"))
    assert "they must be the same" in refusal(share("den", "CUDA0", 8), view=other)


def test_a_split_on_other_pcs_than_were_asked_for_is_refused() -> None:
    both = (share("den", "CUDA0", 3), share("workshop", "CUDA0", 5))
    alone = (share("workshop", "CUDA0", 8),)
    assert refusal(*both, pcs=1) == "The split you set is on 2 PCs, its head counted; 1 PC was asked for."
    assert refusal(*alone, min_pcs=2) == (
        "The split you set is on 1 PC, its head counted; at least 2 PCs were asked for."
    )
    assert refusal(*alone, use=("den",)) == "DEN is to take part, but has no layers in the split you set."
    for wishes in ({"pcs": 2}, {"min_pcs": 2}, {"use": ("den", "workshop")}):
        assert isinstance(plan(ask(shares=both, **wishes), EIGHT, PAIR), Plan), wishes
    # A head without layers takes part as well.
    assert isinstance(plan(ask(shares=(share("den", "CUDA0", 5), share("den", "CPU", 3)), pcs=2), EIGHT, IDLE), Plan)


def test_a_share_that_is_too_big_is_told_by_how_much() -> None:
    # 6 GiB less 512 MiB of reserve hold 5.5 GiB; seven blocks are 1.5 GiB too many.
    assert refusal(share("den", "CUDA0", 7), share("workshop", "CUDA0", 1)) == "7 layers on DEN (CUDA0): 1.5 GB short."


def test_a_pc_that_must_take_part_does() -> None:
    found = plan(ask(use=("den",)), EIGHT, PAIR)
    assert isinstance(found, Plan)
    assert {stage.node_name for stage in found.stages} == {"WORKSHOP", "DEN"}
    assert {a.pcs: a.fits for a in found.alternatives} == {2: True}


def test_a_pc_that_must_take_part_but_cannot_is_named() -> None:
    for wishes, expected in (
        ({"use": ("den",), "avoid": ("den",)}, "DEN is left out as you asked."),
        ({"use": ("attic",)}, "A PC that is to take part is not in the cluster."),
        (
            {"use": ("den",), "pcs": 1},
            "1 PC was asked for; with WORKSHOP, which would run the model, and those that must take part it takes 2: "
            "WORKSHOP and DEN.",
        ),
    ):
        found = plan(ask(**wishes), EIGHT, PAIR)
        assert isinstance(found, Refusal)
        assert found.code == "wanted_unusable"
        assert found.sentence == expected


def test_all_blocks_on_the_heads_processor_rearranged_where_that_is_faster() -> None:
    ram = cpu(32 * GIB).model_copy(update={"bandwidth": 50e9, "compute": 5e11, "token_seconds": 0.0})
    for gain in (0.5, 1.0, 2.0):
        again = {"repacked_bandwidth": 50e9, "repacked_compute": 5e11 * gain}
        view = cluster(node("WORKSHOP", ram.model_copy(update=again), holds=True), node("DEN", gpu(6 * GIB)))
        found = plan(ask(shares=(share("workshop", "CPU", 8),)), EIGHT, view)
        assert isinstance(found, Plan)
        assert found.prediction is not None
        assert found.repacks is (gain >= 1.0)
        prompt = 2 * 8 * GIB / 50e9 + 2 * 998 * 8 * GIB / (5e11 * max(gain, 1.0))
        assert found.prediction.first_token == pytest.approx(prompt)
    # With a worker, or where nobody measured it, the engine is left to what it does.
    both = plan(ask(shares=(share("workshop", "CPU", 6), share("den", "CUDA0", 2))), EIGHT, view)
    assert isinstance(both, Plan)
    assert both.repacks
