"""The picture encoder in a plan: on the head's card where that has room, off what the layers get, with its own name."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.planner.encoder import UNTOLD_BYTES, encoder_compute
from app.planner.memory import reserve_bytes
from app.planner.plan import plan
from app.schema.model import EncoderShape, ModelShape, Tower
from app.schema.plan import CPU_DEVICE, ClusterView, DeviceResources, NodeResources, Plan, Refusal, Share
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape
from tests.unit.planner.test_plan_properties import clusters, shapes

ENCODER = EncoderShape(weight_bytes=2 * GIB, towers=(Tower(patches=1, width=0, feed_forward=0),))
"""Two gigabytes of weights and no buffers, so that sums stay readable."""

HALF = EncoderShape(weight_bytes=3 * GIB // 2, towers=ENCODER.towers)
"""One and a half: beside it, half a layer's room is lost on whichever device it takes it from."""

LAYERS = (GIB,) * 8


def seeing(resources: NodeResources, encoder: EncoderShape = ENCODER) -> NodeResources:
    return resources.model_copy(update={"encoder": encoder, "holds_model": True})


def made(answer: Plan | Refusal) -> Plan:
    assert isinstance(answer, Plan), answer
    return answer


def refused(answer: Plan | Refusal) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


def test_the_layers_get_what_the_encoder_leaves_of_the_card() -> None:
    desk = node("DESK", gpu(11 * GIB), cpu(64 * GIB), holds=True)
    blind = made(plan(ask(), shape(LAYERS), cluster(desk)))
    assert [(stage.device, stage.layers) for stage in blind.stages] == [("CUDA0", 8)]
    assert blind.encoder is None
    found = made(plan(ask(), shape((GIB,) * 10), cluster(seeing(desk))))
    assert found.encoder is not None
    assert (found.encoder.node_name, found.encoder.device, found.encoder.total_bytes) == ("DESK", "CUDA0", 2 * GIB)
    assert [(stage.device, stage.layers) for stage in found.stages] == [("CPU", 2), ("CUDA0", 8)]


def test_a_worker_with_the_file_gives_all_its_room_to_the_layers() -> None:
    desk, attic = node("DESK", gpu(6 * GIB)), node("ATTIC", gpu(6 * GIB))
    found = made(plan(ask(), shape(LAYERS), cluster(seeing(desk), seeing(attic))))
    layers = {stage.node_name: stage.layers for stage in found.stages}
    assert (found.head, layers) == ("desk", {"ATTIC": 5, "DESK": 3})


def test_in_ram_when_the_model_fits_no_other_way() -> None:
    desk = seeing(node("DESK", gpu(8 * GIB + 512 * MIB), cpu(4 * GIB + 512 * MIB)), HALF)
    found = made(plan(ask(), shape((GIB,) * 10), cluster(desk)))
    assert found.encoder is not None
    assert found.encoder.device == "CPU"
    assert any("picture encoder lies in the RAM of DESK" in note for note in found.notes)
    assert {stage.device: stage.layers for stage in found.stages} == {"CPU": 2, "CUDA0": 8}


def measured(device: DeviceResources, bandwidth: float) -> DeviceResources:
    return device.model_copy(update={"bandwidth": bandwidth, "compute": bandwidth * 50})


@pytest.mark.parametrize(("ram_speed", "place"), [(3e10, "CPU"), (7e11, "CUDA0")])
def test_in_ram_where_on_the_card_it_would_make_the_model_far_slower(ram_speed: float, place: str) -> None:
    """The card holds all layers or the encoder and eight of ten; pictures come seldom, words always."""
    card = measured(gpu(11 * GIB), 8e11)
    desk = seeing(node("DESK", card, measured(cpu(64 * GIB), ram_speed)))
    found = made(plan(ask(), shape((GIB,) * 10), cluster(desk)))
    assert found.encoder is not None
    assert found.encoder.device == place
    assert ("CPU" in {stage.device for stage in found.stages}) == (place != "CPU")
    assert len(found.notes) == (place == "CPU")
    assert found.alternatives[0].prediction == found.prediction


def test_rows_beside_the_plan_seat_the_encoder_as_a_plan_for_their_number_does() -> None:
    card, slow = measured(gpu(11 * GIB), 8e11), measured(cpu(64 * GIB), 3e10)
    desk, attic = seeing(node("DESK", card, slow)), node("ATTIC", card)
    view = cluster(desk, attic)
    rows = made(plan(ask(), shape((GIB,) * 10), view)).alternatives
    asked = [made(plan(ask(pcs=pcs), shape((GIB,) * 10), view)).prediction for pcs in (1, 2)]
    assert [row.prediction for row in rows] == asked


def test_in_ram_when_no_card_has_room_and_where_there_is_none() -> None:
    small = made(plan(ask(), shape(LAYERS), cluster(seeing(node("DESK", gpu(2 * GIB), cpu(64 * GIB))))))
    bare = made(plan(ask(), shape(LAYERS), cluster(seeing(node("DESK", cpu(64 * GIB))))))
    assert [each.encoder.device for each in (small, bare) if each.encoder is not None] == ["CPU", "CPU"]
    assert [bool(each.notes) for each in (small, bare)] == [True, False]


def test_the_first_card_with_room_has_it() -> None:
    cards = (gpu(2 * GIB), gpu(12 * GIB, device="CUDA1"))
    found = made(plan(ask(), shape(LAYERS), cluster(seeing(node("DESK", *cards)))))
    assert found.encoder is not None
    assert found.encoder.device == "CUDA1"


def test_every_holder_has_its_own_encoder() -> None:
    """The one beside the file on the head counts, not the one on the PC that asks."""
    asking = seeing(node("DESK", gpu(3 * GIB), cpu(2 * GIB)))
    other = seeing(node("ATTIC", gpu(12 * GIB)), EncoderShape(weight_bytes=GIB, towers=ENCODER.towers))
    found = made(plan(ask(head="attic"), shape(LAYERS), cluster(asking, other)))
    assert found.encoder is not None
    assert found.encoder.total_bytes == GIB


def test_a_refusal_counts_it_and_names_it() -> None:
    desk = seeing(node("DESK", gpu(9 * GIB, 10 * GIB)))
    found = refused(plan(ask(context=4096), shape(LAYERS), cluster(desk)))
    assert found.needed_bytes == 10 * GIB + 512 * MIB
    assert "and its picture encoder (2 GB)" in found.sentence


def test_no_room_for_it_anywhere_is_refused_by_name() -> None:
    found = refused(
        plan(ask(), shape(LAYERS), cluster(seeing(node("DESK", cpu(2 * GIB))), node("ATTIC", gpu(20 * GIB))))
    )
    assert found.code == "does_not_fit"
    assert "picture encoder" in found.sentence
    assert "DESK has 2 GB free" in found.sentence


def test_a_holder_without_room_for_it_is_no_head_but_may_work() -> None:
    desk, attic = seeing(node("DESK", gpu(2 * GIB))), seeing(node("ATTIC", gpu(11 * GIB)))
    found = made(plan(ask(), shape((GIB,) * 9), cluster(desk, attic)))
    assert (found.head, {stage.node_name: stage.layers for stage in found.stages}) == ("attic", {"DESK": 1, "ATTIC": 8})


def test_fixed_shares_leave_room_for_it() -> None:
    desk, attic = seeing(node("DESK", gpu(9 * GIB))), node("ATTIC", gpu(9 * GIB))

    def shared(own: int) -> Plan | Refusal:
        shares = (
            Share(node=attic.node, device="CUDA0", layers=8 - own),
            Share(node=desk.node, device="CUDA0", layers=own),
        )
        return plan(ask(shares=shares), shape(LAYERS), cluster(desk, attic))

    assert made(shared(6)).encoder is not None
    assert "short" in refused(shared(7)).sentence


def test_other_numbers_of_pcs_are_told_with_the_encoder_in_ram_where_only_that_fits() -> None:
    desk, attic = seeing(node("DESK", gpu(9 * GIB), cpu(4 * GIB))), node("ATTIC", gpu(9 * GIB))
    found = made(plan(ask(pcs=2), shape(LAYERS), cluster(desk, attic)))
    assert [alternative.fits for alternative in found.alternatives] == [True, True]


def test_a_device_that_only_holds_the_encoder_is_not_spare() -> None:
    desk = seeing(node("DESK", gpu(5 * GIB + 512 * MIB), cpu(2 * GIB + 600 * MIB)), HALF)
    found = made(plan(ask(), shape((GIB,) * 5), cluster(desk)))
    assert found.encoder is not None
    assert found.encoder.device == "CPU"
    assert not found.spare_devices


def test_buffers_of_an_encoder_whose_header_tells_nothing_are_the_stand_in() -> None:
    assert encoder_compute(EncoderShape(weight_bytes=1)) == UNTOLD_BYTES


@settings(deadline=None)
@given(shapes(), clusters(), st.integers(1, 12))
def test_no_device_is_promised_more_than_it_has(model: ModelShape, view: ClusterView, size: int) -> None:
    encoder = EncoderShape(weight_bytes=size * 100 * MIB, towers=ENCODER.towers)
    seen = view.model_copy(update={"nodes": tuple(seeing(each, encoder) for each in view.nodes)})
    found = plan(ask(), model, seen)
    if isinstance(found, Refusal):
        return
    assert found.encoder is not None
    held = Counter({(found.head, found.encoder.device): found.encoder.total_bytes})
    held[found.head, CPU_DEVICE] += found.experts.total_bytes if found.experts is not None else 0
    for stage in found.stages:
        held[stage.node, stage.device] += stage.total_bytes
    rooms = {
        (each.node, one.device): one.free_bytes - reserve_bytes(one) for each in seen.nodes for one in each.devices
    }
    assert all(count <= rooms[place] for place, count in held.items() if count)


@settings(deadline=None)
@given(shapes(), clusters(), st.integers(1, 12))
def test_what_fits_with_an_encoder_fits_without_one(model: ModelShape, view: ClusterView, size: int) -> None:
    encoder = EncoderShape(weight_bytes=size * 100 * MIB, towers=ENCODER.towers)
    blind = view.model_copy(
        update={"nodes": tuple(each.model_copy(update={"holds_model": True}) for each in view.nodes)}
    )
    seen = view.model_copy(update={"nodes": tuple(seeing(each, encoder) for each in view.nodes)})
    with_it, without = plan(ask(), model, seen), plan(ask(), model, blind)
    assert isinstance(without, Plan) or isinstance(with_it, Refusal)
