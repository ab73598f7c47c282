"""Plans and refusals worked out by hand. The models here have no compute buffers, so device sums are plain."""

from app.planner.plan import default_context, plan
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, KvType, Plan, Refusal, Role
from tests.unit.planner.samples import GIB, MIB, MODEL, ask, cluster, cpu, gpu, node, shape

EIGHT = shape((GIB,) * 8)
SPEED = {"bandwidth": 400e9, "compute": 20e12, "token_seconds": 1e-4}
"""Eight blocks of 1 GiB, nothing else."""


def planned(answer: Plan | Refusal) -> Plan:
    assert isinstance(answer, Plan), answer
    return answer


def refused(answer: Plan | Refusal) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


def sentence_of(answer: Plan | Refusal, name: str) -> str:
    reasons = answer.left_out if isinstance(answer, Plan) else answer.reasons
    return next(reason.sentence for reason in reasons if reason.node_name == name)


def placed(answer: Plan | Refusal) -> list[tuple[str, str, int]]:
    """Node name, device and blocks of each stage."""
    return [(stage.node_name, stage.device, stage.layers) for stage in planned(answer).stages]


def test_one_pc_with_room_takes_all_and_says_why_the_other_rests() -> None:
    # 12 GiB card: reserve 5 % = 614 MiB, 11.4 GiB on offer for 8 GiB.
    view = cluster(node("WORKSHOP", gpu(12 * GIB), cpu(16 * GIB), holds=True), node("DEN", gpu(8 * GIB)))
    found = planned(plan(ask(), EIGHT, view))
    assert placed(found) == [("WORKSHOP", "CUDA0", 8)]
    assert (found.gpu_layers, found.tensor_split) == (9, (9,))
    assert found.pcs == 1
    assert found.stages[0].role is Role.HEAD
    assert found.stages[0].holds_output
    assert found.reserve_bytes == 12 * GIB * 5 // 100
    assert sentence_of(found, "DEN") == "DEN is not needed: it fits on WORKSHOP alone."


def test_two_pcs_share_with_the_heads_gpu_last() -> None:
    # 6 GiB cards: reserve 512 MiB, 5.5 GiB on offer, so five blocks each at most; even is four and four.
    view = cluster(node("WORKSHOP", gpu(6 * GIB), holds=True), node("DEN", gpu(6 * GIB)))
    found = planned(plan(ask(), EIGHT, view))
    assert placed(found) == [("DEN", "CUDA0", 4), ("WORKSHOP", "CUDA0", 4)]
    assert [stage.role for stage in found.stages] == [Role.WORKER, Role.HEAD]
    assert [(s.first_layer, s.last_layer) for s in found.stages] == [(0, 3), (4, 7)]
    assert (found.gpu_layers, found.tensor_split) == (9, (4, 5))
    assert [a.fits for a in found.alternatives] == [False, True]
    # 8 GiB of blocks and 512 MiB of reserve on a card of 6 GiB: 2.5 GiB short.
    assert found.alternatives[0].short_bytes == 8 * GIB + 512 * MIB - 6 * GIB
    assert found.alternatives[0].sentence == "WORKSHOP alone: 2.5 GB short for 4 096 tokens of context."
    assert found.alternatives[1].sentence == "Fits on WORKSHOP and DEN with 4 096 tokens of context."


def test_a_head_without_gpu_is_the_first_stage_and_not_in_the_tensor_split() -> None:
    # 6 GiB of RAM: reserve 1 GiB, five blocks at most on each.
    view = cluster(node("WORKSHOP", cpu(6 * GIB), holds=True), node("DEN", cpu(6 * GIB)))
    found = planned(plan(ask(), EIGHT, view))
    assert placed(found) == [("WORKSHOP", "CPU", 4), ("DEN", "CPU", 4)]
    assert (found.gpu_layers, found.tensor_split) == (5, (5,))


def test_all_on_the_heads_processor() -> None:
    found = planned(plan(ask(), EIGHT, cluster(node("WORKSHOP", cpu(16 * GIB), holds=True))))
    assert placed(found) == [("WORKSHOP", "CPU", 8)]
    assert (found.gpu_layers, found.tensor_split) == (0, ())


def test_the_embedding_table_takes_its_part_of_the_heads_ram() -> None:
    # 9.5 GiB of RAM less 1 GiB of reserve: 8.5 GiB hold eight blocks, but not with 1 GiB of embedding beside them.
    view = cluster(node("WORKSHOP", cpu(9 * GIB + 512 * MIB), holds=True))
    assert planned(plan(ask(), EIGHT, view)).head_ram_bytes == 0
    wide = EIGHT.model_copy(update={"embedding_bytes": GIB})
    refusal = refused(plan(ask(), wide, view))
    assert refusal.needed_bytes == 10 * GIB
    # On a GPU the blocks leave the RAM to it.
    card = cluster(node("WORKSHOP", gpu(9 * GIB), holds=True))
    assert planned(plan(ask(), wide, card)).head_ram_bytes == GIB


def test_a_tied_embedding_table_lies_once_where_the_heads_processor_has_all() -> None:
    tied = shape((GIB,) * 4, embedding_bytes=GIB, output_bytes=GIB, tied_embeddings=True)
    alone = planned(plan(ask(), tied, cluster(node("DESK", cpu(6 * GIB), holds=True))))
    assert (alone.stages[0].total_bytes, alone.head_ram_bytes) == (4 * GIB, GIB)
    shared = planned(
        plan(ask(pcs=2), tied, cluster(node("DESK", cpu(6 * GIB), holds=True), node("ATTIC", cpu(6 * GIB))))
    )
    assert sum(stage.total_bytes for stage in shared.stages) == 5 * GIB
    short = plan(ask(context=4096), tied, cluster(node("DESK", cpu(5 * GIB), holds=True)))
    assert isinstance(short, Refusal)
    assert short.needed_bytes == 6 * GIB


def test_a_weak_head_may_hold_nothing_itself() -> None:
    view = cluster(node("NOTEBOOK", cpu(GIB), holds=True), node("DEN", gpu(10 * GIB)))
    found = planned(plan(ask(), EIGHT, view))
    assert placed(found) == [("DEN", "CUDA0", 8)]
    assert found.head == "notebook"
    assert found.pcs == 2


def test_processors_beside_a_gpu_come_last() -> None:
    # Cards hold 3 blocks each (4 GiB less 512 MiB); 16 GiB of RAM less 1.6 hold the rest.
    ram = cpu(16 * GIB)
    one = cluster(node("WORKSHOP", gpu(4 * GIB), ram, holds=True))
    assert placed(plan(ask(), EIGHT, one)) == [("WORKSHOP", "CPU", 5), ("WORKSHOP", "CUDA0", 3)]
    # Three cards of 3 blocks are enough: no processor, although one PC alone would do with its own.
    three = cluster(
        node("WORKSHOP", gpu(4 * GIB), ram, holds=True), node("DEN", gpu(4 * GIB), ram), node("ATTIC", gpu(4 * GIB))
    )
    assert all(device == "CUDA0" for _, device, _ in placed(plan(ask(), EIGHT, three)))


def test_a_worker_with_a_full_gpu_says_so() -> None:
    view = cluster(
        node("WORKSHOP", gpu(12 * GIB), holds=True), node("DEN", gpu(600 * MIB, total=12 * GIB), cpu(16 * GIB))
    )
    assert sentence_of(plan(ask(), EIGHT, view), "DEN") == (
        "DEN has no room on its GPU, and its processor is only used when nothing else fits."
    )


def test_the_output_layer_counts_on_the_last_device() -> None:
    # 2 GiB of output on the head: 5.5 GiB on offer there hold 3 blocks, the other 5 lie on DEN.
    model = EIGHT.model_copy(update={"output_bytes": 2 * GIB})
    view = cluster(node("WORKSHOP", gpu(6 * GIB), holds=True), node("DEN", gpu(6 * GIB)))
    found = planned(plan(ask(), model, view))
    assert placed(found) == [("DEN", "CUDA0", 5), ("WORKSHOP", "CUDA0", 3)]
    assert found.stages[1].weight_bytes == 5 * GIB
    assert found.tensor_split == (5, 4)


def test_fewest_devices_of_a_pc() -> None:
    view = cluster(node("WORKSHOP", gpu(12 * GIB), gpu(6 * GIB, device="CUDA1"), cpu(32 * GIB), holds=True))
    assert placed(plan(ask(), EIGHT, view)) == [("WORKSHOP", "CUDA0", 8)]


def test_asked_number_of_pcs() -> None:
    view = cluster(
        node("WORKSHOP", gpu(12 * GIB), holds=True), node("DEN", gpu(12 * GIB)), node("ATTIC", gpu(10 * GIB))
    )
    two = plan(ask(pcs=2), EIGHT, view)
    assert placed(two) == [("DEN", "CUDA0", 4), ("WORKSHOP", "CUDA0", 4)]
    assert sentence_of(two, "ATTIC") == "ATTIC is not used: 2 PCs were asked for."
    assert planned(plan(ask(min_pcs=2), EIGHT, view)).pcs == 2
    assert planned(plan(ask(pcs=3), EIGHT, view)).pcs == 3


def test_too_few_pcs() -> None:
    view = cluster(node("WORKSHOP", gpu(12 * GIB), holds=True), node("DEN", gpu(12 * GIB), build="7827"))
    refusal = refused(plan(ask(pcs=2), EIGHT, view))
    assert refusal.code == "too_few_pcs"
    assert refusal.sentence == (
        "2 PCs were asked for; 1 can take part: WORKSHOP. DEN has llama.cpp b7827, WORKSHOP has llama.cpp b11434: "
        "they must be the same. Update one of them."
    )
    assert refusal.hint == "Ask for 1 PC, or add a PC."


def test_a_number_of_pcs_that_does_not_fit_is_told_which_does() -> None:
    view = cluster(node("WORKSHOP", gpu(6 * GIB), holds=True), node("DEN", gpu(6 * GIB)))
    refusal = refused(plan(ask(pcs=1), EIGHT, view))
    assert refusal.hint == "It fits on 2 PCs."
    assert "DEN" not in refusal.sentence


def test_this_pc_is_the_head_when_it_can() -> None:
    strong, weak = node("STRONG", gpu(24 * GIB), holds=True), node("WEAK", gpu(12 * GIB), holds=True)
    assert planned(plan(ask(), EIGHT, cluster(strong, weak, this="WEAK"))).head == "weak"
    assert planned(plan(ask(head="strong"), EIGHT, cluster(strong, weak, this="WEAK"))).head == "strong"
    assert planned(plan(ask(avoid=("weak",)), EIGHT, cluster(strong, weak, this="WEAK"))).head == "strong"


def test_another_pc_is_the_head_when_that_takes_fewer() -> None:
    view = cluster(node("SMALL", gpu(4 * GIB), holds=True), node("BIG", gpu(24 * GIB), holds=True))
    assert planned(plan(ask(), EIGHT, view)).head == "big"


def test_refusal_with_all_numbers() -> None:
    # Each block costs 1 GiB and, at 4 096 tokens, 4 096 * 2 * 16 384 * 2 bytes = 256 MiB: 10 GiB in all.
    # Reserves: 12 GiB card 614.4 MiB, 8 GiB card 512 MiB. Free 4.5 + 3 = 7.5 GiB: 10 + 1.1 - 7.5 = 3.6 GiB short.
    model = shape((GIB,) * 8, key_widths=(16384,) * 8, value_widths=(16384,) * 8, embedding_length=0)
    view = cluster(
        node("WORKSHOP", gpu(4 * GIB + 512 * MIB, total=12 * GIB), holds=True), node("LIVING ROOM", gpu(3 * GIB))
    )
    refusal = refused(plan(ask(context=4096), model, view))
    # Two devices, all offloaded: 4 copies of the mask, 4 096 * 512 * 2 bytes each, on both: 32 MiB.
    needed = 10 * GIB + 12 * GIB * 5 // 100 + 512 * MIB + 32 * MIB
    assert refusal.needed_bytes == needed
    assert refusal.free_bytes == 7 * GIB + 512 * MIB
    assert refusal.sentence == (
        "Test-8B needs 11.2 GB for 4 096 tokens of context; WORKSHOP has 4.5 GB free of 12 GB, "
        "LIVING ROOM has 3 GB free of 3 GB: 3.7 GB short."
    )
    assert refusal.largest_context is None
    assert refusal.hint.startswith("Choose a smaller quantization")


def test_an_asked_context_is_never_shrunk_but_the_largest_is_named() -> None:
    # 8 GiB of blocks; cache 64 KiB per token and block, 512 KiB per token; the mask 1 KiB per token.
    # 10 GiB less 512 MiB leave 1.5 GiB: 1 572 864 / 513 = 3 066 tokens, 2 816 in whole steps.
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True))
    refusal = refused(plan(ask(context=4096), CACHED, view))
    assert refusal.largest_context == 2816
    assert refusal.hint.startswith("It fits with 2 816 tokens of context.")
    assert planned(plan(ask(context=2816), CACHED, view)).context == 2816
    assert isinstance(plan(ask(context=2817), CACHED, view), Refusal)


def test_the_default_context_shrinks_to_what_fits() -> None:
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True))
    found = planned(plan(ask(), CACHED, view))
    assert found.context == 2816
    assert "2 816 tokens" in found.alternatives[0].sentence
    assert planned(plan(ask(kv_type=KvType.Q4_0), CACHED, view)).context == 4096
    assert default_context(EIGHT.model_copy(update={"context_length": 2048})) == 2048


CACHED = shape((GIB,) * 8, key_widths=(16384,) * 8, value_widths=(16384,) * 8)


def test_context_beyond_training_is_refused() -> None:
    view = cluster(node("WORKSHOP", gpu(12 * GIB), holds=True))
    refusal = refused(plan(ask(context=40000), EIGHT, view))
    assert refusal.code == "context_too_long"
    assert "32 768" in refusal.sentence
    assert refusal.hint == "Ask for 32 768 or fewer."
    assert planned(plan(ask(context=40000, slots=2), EIGHT, view)).context == 40000
    assert refused(plan(ask(context=70000, slots=2), EIGHT, view)).hint == "Ask for 65 536 or fewer."


def refusal_code(view: ClusterView, model: ModelShape = EIGHT, **wishes: object) -> str:
    return refused(plan(ask(**wishes), model, view)).code


def test_refusals_before_any_search() -> None:
    card = gpu(12 * GIB)
    fine = cluster(node("WORKSHOP", card, holds=True))
    assert refusal_code(fine, shape((), is_projector=True)) == "not_a_model"
    assert refusal_code(fine, shape(())) == "not_a_model"
    assert refusal_code(cluster(node("A", card), node("B", card))) == "model_nowhere"
    assert refusal_code(cluster(node("A", card, holds=True, build=None))) == "engine_nowhere"
    assert refusal_code(cluster(node("A", card, holds=True, build=None), node("B", card))) == "head_unusable"
    assert refusal_code(fine, head="elsewhere") == "head_unusable"
    assert refusal_code(cluster(node("A", card, holds=True), node("B", card)), head="b") == "head_unusable"
    encoder = refused(plan(ask(), shape((), is_projector=True), fine))
    assert encoder.sentence == f"{MODEL} is a picture encoder, not a model."


def test_every_unusable_node_has_its_reason() -> None:
    view = cluster(
        node("WORKSHOP", gpu(12 * GIB), holds=True),
        node("ASLEEP", gpu(12 * GIB), problem="It does not answer."),
        node("BARE", gpu(12 * GIB), build=None),
        node("FULL", gpu(400 * MIB, total=8 * GIB)),
        node("TIGHT", gpu(1 * GIB)),
        node("UNWANTED", gpu(12 * GIB)),
    )
    found = plan(ask(avoid=("unwanted",)), EIGHT, view)
    assert sentence_of(found, "ASLEEP") == "ASLEEP: It does not answer."
    assert sentence_of(found, "BARE") == "BARE has no llama.cpp engine. Install it there."
    assert sentence_of(found, "FULL").startswith("FULL has 400 MB free, which is kept in reserve")
    assert sentence_of(found, "TIGHT").startswith("TIGHT has 1 GB free: with the reserve taken off")
    assert sentence_of(found, "UNWANTED") == "UNWANTED is left out as you asked."


def test_memory_in_pieces_too_small_for_whole_layers() -> None:
    # Three blocks of 3 GiB; two cards of 5.5 GiB on offer hold one each, though together they have 11 GiB.
    model = shape((3 * GIB,) * 3)
    view = cluster(node("WORKSHOP", gpu(6 * GIB), holds=True), node("DEN", gpu(6 * GIB)))
    refusal = refused(plan(ask(), model, view))
    assert "no division into whole layers fits" in refusal.sentence
    assert refusal.alternatives[1].short_bytes == 0
    assert "not in pieces" in refusal.alternatives[1].sentence


def test_at_most_fifteen_devices_beside_the_heads_processor() -> None:
    model = shape((GIB,) * 64)
    cards = [gpu((3 if i == 7 else 4) * GIB, device=f"CUDA{i}") for i in range(16)]
    found = planned(plan(ask(pcs=1), shape((GIB,) * 45), cluster(node("RACK", *cards, holds=True))))
    assert len(found.tensor_split) == 15
    assert "CUDA7" not in {stage.device for stage in found.stages}
    assert isinstance(plan(ask(), model, cluster(node("RACK", *cards, holds=True))), Refusal)


def test_a_tiny_model_fits_an_ordinary_pc() -> None:
    tiny = shape((2 * MIB,) * 12, output_bytes=MIB, embedding_bytes=MIB, embedding_length=512, vocabulary=512)
    ordinary = cluster(node("NOTEBOOK", cpu(2 * GIB, total=8 * GIB), holds=True))
    assert planned(plan(ask(), tiny, ordinary)).pcs == 1
    busy_card = cluster(node("NOTEBOOK", gpu(700 * MIB, total=4 * GIB), cpu(2 * GIB, total=8 * GIB), holds=True))
    assert placed(plan(ask(), tiny, busy_card)) == [("NOTEBOOK", "CUDA0", 12)]


def test_a_refusal_compares_engines_with_the_pcs_it_speaks_of() -> None:
    """Two groups of one build each, each with a PC that holds the file: the roomier one is counted, the other named."""
    view = cluster(
        node("ALPHA", cpu(0), holds=True),
        node("BRAVO", cpu(0), holds=True, build="7827"),
        node("CHARLIE", cpu(2 * GIB)),
        node("DELTA", cpu(4 * GIB), build="7827"),
    )
    found = refused(plan(ask(context=512), EIGHT, view))
    assert "BRAVO" in found.sentence
    assert {reason.node_name for reason in found.reasons} == {"ALPHA", "CHARLIE"}


def test_who_asks_for_n_pcs_gets_layers_on_n() -> None:
    near, far = (gpu(12 * GIB, device="CUDA0").model_copy(update=SPEED) for _ in range(2))
    own = cpu(8 * GIB).model_copy(update={"bandwidth": 20e9, "compute": 1e11, "token_seconds": 1e-2})
    view = cluster(node("NOTEBOOK", own, holds=True), node("DEN", near), node("ATTIC", far))
    # The notebook's processor is much slower than either card, so left to itself it only runs the model.
    assert {stage.node_name for stage in planned(plan(ask(), EIGHT, view)).stages} == {"ATTIC"}
    for pcs in (2, 3):
        found = planned(plan(ask(pcs=pcs), EIGHT, view))
        assert len({stage.node_name for stage in found.stages}) == pcs
        assert found.notes == ()
    least = planned(plan(ask(min_pcs=2), EIGHT, view))
    assert len({stage.node_name for stage in least.stages}) == 2


def test_a_head_without_room_for_a_layer_counts_nevertheless() -> None:
    for speed in (SPEED, {}):
        cards = [gpu(12 * GIB).model_copy(update=speed) for _ in range(2)]
        view = cluster(node("NOTEBOOK", cpu(GIB // 2), holds=True), node("DEN", cards[0]), node("ATTIC", cards[1]))
        found = planned(plan(ask(pcs=3), EIGHT, view))
        assert {stage.node_name for stage in found.stages} == {"DEN", "ATTIC"}
        assert found.notes == (
            "2 PCs hold the layers: NOTEBOOK only runs the model, with layers there too it does not fit.",
        )
        assert planned(plan(ask(pcs=2), EIGHT, view)).pcs == 2
