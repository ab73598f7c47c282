"""What past runs teach, against a placement whose true speed is known."""

import asyncio
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.node.corrections import (
    LEAST,
    MOST,
    Corrections,
    Exchange,
    after_load,
    after_run,
    better_split,
    devices_of,
    next_mix,
    with_corrections,
    with_one_way_links,
)
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.plan import ClusterView, DeviceResources, LinkMeasure, LoadKind, NodeResources, Plan, Prediction
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.speed import CorrectionBook, Mix
from tests.unit.instances.plans import HEAD, plan, stage

ATTIC, BARN = NodeId("a" * 64), NodeId("b" * 64)
SPEED = Prediction(
    prompt_tokens=1000,
    answer_tokens=400,
    decode=20.0,
    prefill=500.0,
    first_token=2.0,
    answer=22.0,
    load=10.0,
    load_kind=LoadKind.SEND,
)
SPLIT = plan().model_copy(update={"prediction": SPEED})
ALONE = plan(stage("h", "CPU", 0, 11, output=True)).model_copy(update={"prediction": SPEED})


def run_at(decode: float, prefill: float, prompt: int = 1000, answer: int = 400) -> Exchange:
    return Exchange(prompt, answer, prefill, decode)


def factor(book: CorrectionBook, of: Plan) -> float:
    found = [each.factor for each in book.corrections if each.devices == devices_of(of)]
    return found[0] if found else 1.0


def view() -> ClusterView:
    def node(identity: NodeId, device: str) -> NodeResources:
        each = DeviceResources(device=device, name=device, total_bytes=1, free_bytes=1, is_cpu=device == "CPU")
        return NodeResources(node=identity, name="x", holds_model=True, engine_build="b", devices=(each,))

    nodes = (node(HEAD, "CPU"), node(ATTIC, "CPU"), node(BARN, "CUDA0"))
    return ClusterView(this_node=HEAD, nodes=nodes, links=(LinkMeasure(a=ATTIC, b=HEAD), LinkMeasure(a=ATTIC, b=BARN)))


@given(st.floats(0.25, 4.0), st.integers(16, 4000), st.integers(0, 8000))
def test_the_first_run_is_learned_in_full(slower: float, answer: int, prompt: int) -> None:
    book = after_run(CorrectionBook(), SPLIT, run_at(20 / slower, 500 / slower, prompt, answer), now=1.0)
    assert factor(book, SPLIT) == pytest.approx(slower)


@given(st.floats(0.25, 4.0), st.integers(1, 30))
def test_learning_from_corrected_plans_does_not_run_away(slower: float, runs: int) -> None:
    book, shown = CorrectionBook(), SPLIT
    for number in range(runs):
        book = after_run(book, shown, run_at(20 / slower, 500 / slower), now=float(number))
        now = factor(book, SPLIT)
        told = {
            "decode": 20 / now,
            "prefill": 500 / now,
            "first_token": 2 * now,
            "answer": 22 * now,
            "corrected_by": now,
        }
        shown = SPLIT.model_copy(update={"prediction": SPEED.model_copy(update=told)})
    assert factor(book, SPLIT) == pytest.approx(slower)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_no_factor_leaves_its_bounds(speeds: list[float]) -> None:
    book = CorrectionBook()
    for speed in speeds:
        book = after_run(book, SPLIT, run_at(speed, speed), now=1.0)
    assert LEAST <= factor(book, SPLIT) <= MOST


def test_one_answer_on_a_plan_for_several_at_once_teaches_only_the_mix() -> None:
    several = SPLIT.model_copy(update={"prediction": SPEED.model_copy(update={"conversations": 4, "decode": 8.0})})
    book = after_run(CorrectionBook(), several, run_at(20.0, 500.0), now=1.0)
    assert (book.corrections, book.mix.runs) == ((), 1)


def book_of(*slower: float) -> CorrectionBook:
    """What runs teach that took so many times longer than predicted, one after the other."""
    book = CorrectionBook()
    for number, each in enumerate(slower):
        book = after_run(book, SPLIT, run_at(20 / each, 500 / each), now=float(number))
    return book


@given(st.lists(st.floats(0.95, 1.05), min_size=1, max_size=12), st.floats(1.2, 20.0))
def test_an_answer_while_the_pc_was_busy_changes_next_to_nothing(usual: list[float], busy: float) -> None:
    assert 0.95 <= factor(book_of(*usual, busy), SPLIT) <= 1.051


@given(st.floats(1.2, 20.0), st.floats(0.5, 1.1))
def test_a_busy_first_answer_is_forgotten_with_the_next(busy: float, usual: float) -> None:
    assert factor(book_of(busy, usual), SPLIT) == pytest.approx(usual)


def test_what_stays_slower_is_learned() -> None:
    assert factor(book_of(1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0), SPLIT) == pytest.approx(1.0)
    assert factor(book_of(1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0), SPLIT) == pytest.approx(2.0)


def test_a_book_from_before_runs_were_remembered_keeps_its_factor() -> None:
    old = book_of(1.5)
    old = old.model_copy(update={"corrections": tuple(e.model_copy(update={"recent": ()}) for e in old.corrections)})
    assert factor(after_run(old, SPLIT, run_at(20 / 1.6, 500 / 1.6), now=9.0), SPLIT) == pytest.approx(1.5)


@pytest.mark.parametrize(
    "exchange",
    [run_at(20, 500, answer=3), Exchange(10, 100, 500.0, None), Exchange(10, 100, 500.0, 0.0), run_at(math.inf, 500)],
)
def test_what_says_nothing_of_speed_teaches_nothing(exchange: Exchange) -> None:
    assert after_run(CorrectionBook(), SPLIT, exchange, now=1.0).corrections == ()


def test_a_plan_without_prediction_teaches_only_the_mix() -> None:
    book = after_run(CorrectionBook(), plan(), run_at(20, 500, 3000, 100), now=1.0)
    assert book.corrections == ()
    assert book.mix.runs == 1
    assert book.mix.prompt_tokens > 1000
    assert book.mix.answer_tokens < 400


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)), max_size=60))
def test_the_mix_stays_between_what_was_sent(exchanges: list[tuple[int, int]]) -> None:
    mix = Mix()
    for prompt, answer in exchanges:
        mix = next_mix(mix, prompt, answer)
    real = [each for each in exchanges if min(each) > 0]
    assert mix.runs == len(real)
    assert min([1000, *(prompt for prompt, _ in real)]) - 1e-6 <= mix.prompt_tokens
    assert mix.prompt_tokens <= max([1000, *(prompt for prompt, _ in real)]) + 1e-6
    assert mix.answer_tokens <= max([400, *(answer for _, answer in real)]) + 1e-6


def test_all_parts_of_a_placement_get_its_factor() -> None:
    book = after_run(CorrectionBook(), SPLIT, run_at(10, 250), now=1.0)
    seen = with_corrections(view(), book)
    assert [device.correction for node in seen.nodes for device in node.devices] == pytest.approx([2.0, 2.0, 2.0])
    assert seen.links[0].correction == pytest.approx(2.0)
    assert seen.links[1].correction is None


def test_a_device_that_ran_alone_has_its_own_factor() -> None:
    book = after_run(CorrectionBook(), SPLIT, run_at(10, 250), now=1.0)
    book = after_run(book, ALONE, run_at(25, 625), now=2.0)
    seen = with_corrections(view(), book)
    assert seen.nodes[0].devices[0].correction == pytest.approx(0.8)
    assert seen.nodes[1].devices[0].correction == pytest.approx(2.0)


def test_without_runs_nothing_is_corrected() -> None:
    seen = with_corrections(view(), after_load(CorrectionBook(), SPLIT, 20.0, now=1.0))
    assert (
        seen.model_copy(update={"nodes": tuple(each.model_copy(update={"loads": ()}) for each in seen.nodes)}) == view()
    )


def launched(of: LoadKind, predicted: float, corrected_by: float | None = None) -> Plan:
    told = {"load": predicted, "load_kind": of, "load_corrected_by": corrected_by}
    return SPLIT.model_copy(update={"prediction": SPEED.model_copy(update=told)})


def load_factors(book: CorrectionBook) -> dict[LoadKind, float]:
    head, *others = with_corrections(view(), book).nodes
    assert all(not each.loads for each in others)
    assert all(each.devices == devices_of(SPLIT) for each in head.loads)
    return {each.kind: each.factor for each in head.loads}


times = st.lists(st.tuples(st.sampled_from(LoadKind), st.floats(0.2, 5.0)), min_size=1, max_size=20)


@given(times)
def test_launches_of_one_kind_say_nothing_of_another(order: list[tuple[LoadKind, float]]) -> None:
    both, alone = CorrectionBook(), {kind: CorrectionBook() for kind in LoadKind}
    for now, (kind, slower) in enumerate(order):
        # What is shown is corrected already; what is learned is against the bare model.
        corrected = load_factors(both).get(kind)
        shown = launched(kind, 10.0 * (corrected or 1.0), corrected)
        both = after_load(both, shown, 10.0 * slower, float(now))
        alone[kind] = after_load(alone[kind], launched(kind, 10.0), 10.0 * slower, float(now))
    for kind in LoadKind:
        assert load_factors(both).get(kind) == pytest.approx(load_factors(alone[kind]).get(kind))


@given(st.floats(0.2, 0.9), st.floats(1.0, 5.0))
def test_one_launch_that_found_its_file_in_ram_is_forgotten_with_the_next(fast: float, usual: float) -> None:
    book = after_load(CorrectionBook(), launched(LoadKind.READ, 10.0), 10.0 * fast, 1.0)
    book = after_load(book, launched(LoadKind.READ, 10.0), 10.0 * usual, 2.0)
    assert load_factors(book) == {LoadKind.READ: pytest.approx(usual)}


@pytest.mark.parametrize("kind", [LoadKind.SEND, LoadKind.REREAD])
@given(busy=st.floats(1.2, 5.0), usual=st.floats(0.5, 1.1))
def test_a_busy_first_launch_is_forgotten_with_the_next(kind: LoadKind, busy: float, usual: float) -> None:
    book = after_load(CorrectionBook(), launched(kind, 10.0), 10.0 * busy, 1.0)
    assert load_factors(after_load(book, launched(kind, 10.0), 10.0 * usual, 2.0)) == {kind: pytest.approx(usual)}


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_launch_without_a_time_teaches_nothing(seconds: float) -> None:
    assert after_load(CorrectionBook(), SPLIT, seconds, 1.0) == CorrectionBook()
    assert after_load(CorrectionBook(), launched(LoadKind.SEND, 0.0), 5.0, 1.0) == CorrectionBook()
    older = SPLIT.model_copy(update={"prediction": SPEED.model_copy(update={"load_kind": None})})
    assert after_load(CorrectionBook(), older, 5.0, 1.0) == CorrectionBook()


def test_loads_over_links_that_were_measured_both_ways_at_once_are_forgotten() -> None:
    book = CorrectionBook()
    for kind in (LoadKind.SEND, LoadKind.READ):
        book = after_load(book, launched(kind, 10.0), 7.0, 1.0)
    kept = with_one_way_links(book)
    assert set(load_factors(book)) == {LoadKind.SEND, LoadKind.READ}
    assert set(load_factors(kept)) == {LoadKind.READ}
    again = after_load(kept, launched(LoadKind.SEND, 10.0), 9.0, 2.0)
    assert with_one_way_links(again) == again
    assert load_factors(again)[LoadKind.SEND] == pytest.approx(0.9)


def test_another_split_must_win_by_fifteen_percent() -> None:
    def at(decode: float, context: int = 4096) -> Plan:
        stages = (stage("h", "CPU", 0, 5), stage("b", "CUDA0", 6, 11, output=True))
        told = SPEED.model_copy(update={"decode": decode, "prefill": 500 * decode / 20})
        return plan(*stages).model_copy(update={"prediction": told, "context": context})

    assert better_split(SPLIT, at(20 * 1.16))
    assert not better_split(SPLIT, at(20 * 1.14))
    assert not better_split(SPLIT, at(60.0, context=2048))
    assert not better_split(SPLIT, SPLIT)
    assert not better_split(SPLIT, at(60.0).model_copy(update={"prediction": None}))


def instance(of: Plan, took: float = 20.0) -> InstanceStatus:
    return InstanceStatus(
        id=InstanceId("i"),
        model_id=ModelId("tiny"),
        head=HEAD,
        state=InstanceState.READY,
        plan=of,
        created_at=100.0,
        ready_at=100.0 + took,
    )


async def test_it_is_all_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    first = await asyncio.to_thread(Corrections, path, lambda: 5.0)
    await first.observe(instance(SPLIT), 1000, 400, 250.0, 10.0)
    await first.observe_ready(instance(SPLIT))
    second = await asyncio.to_thread(Corrections, path)
    assert second.factor(SPLIT) == pytest.approx(2.0)
    assert second.factor(ALONE) == 1.0
    assert [load.factor for load in second.with_corrections(view()).nodes[0].loads] == [pytest.approx(2.0)]
    assert second.mix == first.mix
    assert second.with_corrections(view()) == first.with_corrections(view())


@pytest.mark.parametrize("content", [b"{", b'{"corrections": [{"head": 7}]}', b"[]", json.dumps([1]).encode()])
async def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "corrections.json"
    await asyncio.to_thread(path.write_bytes, content)
    store = await asyncio.to_thread(Corrections, path)
    await store.observe(instance(SPLIT), 1000, 400, 250.0, 10.0)
    again = await asyncio.to_thread(Corrections, path)
    assert again.factor(SPLIT) == pytest.approx(2.0)


async def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    await asyncio.to_thread(path.mkdir)
    store = await asyncio.to_thread(Corrections, path)
    await store.observe(instance(SPLIT), 1000, 400, 250.0, 10.0)
    assert store.factor(SPLIT) == pytest.approx(2.0)


async def test_what_is_learned_after_the_cache_was_deleted_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "corrections.json"
    await (await asyncio.to_thread(Corrections, path)).observe(instance(SPLIT), 1000, 400, 250.0, 10.0)
    again = await asyncio.to_thread(Corrections, path)
    assert again.factor(SPLIT) == pytest.approx(2.0)
