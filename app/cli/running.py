"""Commands that start, stop and use models: launch, stop, chat."""

import contextlib
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.cli import following, words
from app.cli.console import EXIT_FAILED, EXIT_INTERRUPTED, Session, run, session, show_error, show_json
from app.cli.facts import AsJson
from app.cli.wishes import (
    AtLeast,
    Avoid,
    Context,
    Head,
    Kv,
    Pcs,
    Prefer,
    Repetitive,
    Shares,
    Slots,
    Use,
    Wishes,
    pcs_of_status,
)
from app.client import ChatPiece, NodeClient
from app.schema.errors import CaravanError, InputError, InstanceNotFound, PeerUnreachable, PlacementRefused, from_info
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest, PhaseState
from app.schema.node import Status
from app.schema.plan import CPU_DEVICE, EncoderShare, ExpertShare, KvType, Plan, Refusal
from app.schema.record import InstanceId, ModelId

Model = Annotated[str, typer.Argument(help="Name of a model, its file name, or a path.")]

ENDED = frozenset({InstanceState.STOPPED, InstanceState.FAILED})
_MARKS = {
    PhaseState.PENDING: ("·", "dim"),
    PhaseState.ACTIVE: (">", "bold"),
    PhaseState.DONE: ("✓", "green"),
    PhaseState.FAILED: ("!", "red"),
    PhaseState.SKIPPED: ("-", "dim"),
}


def model_name(text: str) -> ModelId:
    """A path is told to the node in full, because the node runs in a folder of its own. Raises InputError."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"This name is no text: {text!r}.", "Rename the file, or type the name anew.")
    looks_like_path = text.lower().endswith(".gguf") and (os.sep in text or "/" in text or os.path.isfile(text))
    return ModelId(str(Path(text).absolute()) if looks_like_path else text)


def planned(answer: Plan | Refusal) -> Plan:
    """The plan. Raises PlacementRefused with every reason when there is none."""
    if isinstance(answer, Refusal):
        reasons = tuple(reason.sentence for reason in answer.reasons)
        raise PlacementRefused(answer.sentence, answer.hint, reasons)
    return answer


def show_plan(to: Session, found: Plan) -> None:
    """A plan as a table of its stages, the comparison with other numbers of PCs, and who is left out."""
    show_stages(to, found)
    load = words.load(found)
    if load is not None:
        to.say(f"  {load}")
    for note in found.notes:
        to.say(f"  ! {note}")
    for each in found.alternatives:
        to.say(f"  {each.sentence}", "dim")
    for reason in found.left_out:
        to.say(f"  {reason.sentence}", "dim")


def show_stages(to: Session, found: Plan) -> None:
    """The stages of a plan as a table."""
    to.say(f"{found.model_id}: {found.layers} layers, {words.number(found.context)} tokens, {words.pcs(found)}", "bold")
    table = Table(box=None, pad_edge=False)
    for name in ("PC", "device", "layers", "weights", "KV cache", "buffers", "free"):
        table.add_column(name, justify="left" if name in {"PC", "device", "layers"} else "right")
    for stage in found.stages:
        held = words.layers(stage.first_layer, stage.last_layer, stage.holds_output)
        sizes = (stage.weight_bytes, stage.kv_bytes, stage.compute_bytes, stage.free_bytes)
        table.add_row(stage.node_name, stage.device, held, *(words.size(each) for each in sizes))
    if found.experts is not None:
        table.add_row(*_expert_row(found, found.experts))
    if found.encoder is not None:
        table.add_row(*_encoder_row(found.encoder))
    to.out.print(table)


def _encoder_row(encoder: EncoderShare) -> tuple[str, ...]:
    """The picture encoder of the head, as a row of the stages."""
    sizes = (encoder.weight_bytes, 0, encoder.compute_bytes, encoder.free_bytes)
    return (encoder.node_name, encoder.device, "picture encoder", *(words.size(each) for each in sizes))


def _expert_row(found: Plan, experts: ExpertShare) -> tuple[str, ...]:
    """The experts that the head's processor computes, as a row of the stages."""
    name = next((stage.node_name for stage in found.stages if stage.node == found.head), "")
    sizes = (experts.weight_bytes, 0, experts.compute_bytes, experts.free_bytes)
    return (name, CPU_DEVICE, f"experts of {words.blocks(experts.layers)}", *(words.size(each) for each in sizes))


def launch(
    context: typer.Context,
    model: Model,
    pcs: Pcs = None,
    min_pcs: AtLeast = 1,
    tokens: Context = None,
    slots: Slots = 1,
    prefer: Prefer = None,
    kv: Kv = KvType.F16,
    head: Head = None,
    avoid: Avoid = None,
    use: Use = None,
    share: Shares = None,
    repetitive: Repetitive = False,
    extra: Annotated[list[str] | None, typer.Option("--extra", help="One more llama-server argument; repeat.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget how it ran last; Caravan chooses anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a model on the PCs it needs, without options as it ran last; returns when it is ready."""
    to = session(context)
    wishes = Wishes(
        pcs=pcs,
        min_pcs=min_pcs,
        context=tokens,
        slots=slots,
        prefer=prefer,
        kv=kv,
        head=head,
        avoid=avoid or (),
        use=use or (),
        shares=share or (),
        repetitive=repetitive,
    )

    is_as_last = not fresh and wishes == Wishes() and not extra

    async def work() -> int:
        async with to.client() as client:
            if is_as_last:
                loading = client.load(model_name(model))
                instance_id, found = await following.begun(loading, lambda each: client.stop(each[0]))
            else:
                request = wishes.request(model_name(model), pcs_of_status(await client.status()))
                found = planned(await client.plan(request))
                wanted = LaunchRequest(plan=found, extra_arguments=tuple(extra or ()), wishes=request)
                instance_id = await following.begun(client.launch(wanted), client.stop)
            if not as_json:
                show_plan(to, found)
            with phase_screen(to, quiet=as_json) as show:
                started = await follow_launch(client, instance_id, show)
        if as_json:
            show_json(started)
            return 0 if started.error is None else EXIT_FAILED
        if started.error is not None:
            raise from_info(started.error)
        return 0

    run(to, work, as_json)


async def launch_and_follow(
    client: NodeClient, found: Plan, show: Callable[[InstanceStatus], None], extra: tuple[str, ...] = ()
) -> InstanceStatus:
    """Launch a plan and follow it until it is ready or has ended; cancels it when we are cancelled."""
    wanted = LaunchRequest(plan=found, extra_arguments=extra)
    return await follow_launch(client, await following.begun(client.launch(wanted), client.stop), show)


async def follow_launch(
    client: NodeClient, instance_id: InstanceId, show: Callable[[InstanceStatus], None]
) -> InstanceStatus:
    """Follow a launch until it is ready or has ended; cancels it when we are cancelled."""
    try:
        return await follow(client, instance_id, lambda each: each.state is InstanceState.READY, show)
    except BaseException:
        # Its PC may be the one that is gone.
        with contextlib.suppress(CaravanError):
            await client.stop(instance_id)
        raise


async def follow(
    client: NodeClient,
    instance_id: InstanceId,
    reached: Callable[[InstanceStatus], bool],
    show: Callable[[InstanceStatus], None] = lambda _: None,
) -> InstanceStatus:
    """Watch an instance until `reached` says so or it has ended.

    Raises NodeNotRunning when the node ends first, PeerUnreachable when the PC that is its head is lost.
    """

    def part(status: Status) -> InstanceStatus | None:
        found = next((each for each in status.all_instances if each.id == instance_id), None)
        for peer in status.peers if found is None else ():
            if peer.report is not None and any(each.id == instance_id for each in peer.report.instances):
                raise PeerUnreachable(f"{peer.called} does not answer any more.", f"Is {peer.called} switched on?")
        return found

    return await following.follow(client, part, show, lambda each: reached(each) or each.state in ENDED)


def phase_screen(to: Session, quiet: bool) -> AbstractContextManager[Callable[[InstanceStatus], None]]:
    """What shows the phases of a launch: a live list on a terminal, one line per finished phase elsewhere."""
    return following.screen(to, quiet, _line_printer(to), _phase_list, stays=True)


def _phase_list(instance: InstanceStatus) -> Group:
    return Group(*(_phase_text(phase) for phase in instance.phases))


def _line_printer(to: Session) -> Callable[[InstanceStatus], None]:
    told: set[str] = set()

    def show(instance: InstanceStatus) -> None:
        for phase in instance.phases:
            if phase.state in {PhaseState.DONE, PhaseState.FAILED} and phase.name not in told:
                told.add(phase.name)
                to.out.print(_phase_text(phase))

    return show


def _phase_text(phase: Any) -> Text:
    mark, style = _MARKS[phase.state]
    took = f"  {words.duration(phase.seconds)}" if phase.seconds is not None else ""
    return Text(f"{mark} {words.phase(phase)}{took}", style=style)


def stop(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(help="Instance or model; all of the cluster when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop a model; returns when nothing of it runs any more."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            status = await client.status()
            running = [each for each in status.all_instances if each.state not in ENDED]
            chosen = [each for each in running if instance is None or instance in (each.id, each.model_id)]
            if not chosen:
                what = f"{instance} is not running." if instance else "No model is running."
                raise InstanceNotFound(what, "See `caravan status`.")
            for each in chosen:
                await client.stop(each.id)
            ended = [await follow(client, each.id, lambda _: False) for each in chosen]
        if as_json:
            show_json(ended)
        else:
            to.say(f"Stopped {', '.join(each.model_id for each in ended)}.")

    run(to, work, as_json)


def chat(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Option(help="Ask this and print the answer.")] = None,
    model: Annotated[str | None, typer.Option(help="Which running model; the newest when left out.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1)] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, max=5.0)] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running model; without --prompt it is a conversation until an empty line."""
    to = session(context)
    options = {"model": model, "max_tokens": max_tokens, "temperature": temperature}
    body = {name: value for name, value in options.items() if value is not None}

    if prompt is None and as_json:
        show_error(to, InputError("A conversation is not one JSON value.", "Add --prompt TEXT."), as_json)
        raise typer.Exit(EXIT_FAILED)
    if prompt is not None and not prompt.strip():
        show_error(to, InputError("The prompt is empty.", "Write what to ask after --prompt."), as_json)
        raise typer.Exit(EXIT_FAILED)
    messages: list[dict[str, str]] = []

    async def work() -> None:
        async with to.client() as client:
            text = await _answer(to, client, body, messages, as_json)
        messages.append({"role": "assistant", "content": text})

    while asked := prompt or _ask_user(to):
        messages.append({"role": "user", "content": asked})
        run(to, work, as_json)
        if prompt:
            return


def _ask_user(to: Session) -> str:
    try:
        return to.out.input("> ").strip()
    except EOFError:
        return ""
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


async def _answer(
    to: Session, client: NodeClient, body: dict[str, Any], messages: list[dict[str, str]], as_json: bool
) -> str:
    def show(piece: ChatPiece) -> None:
        if not as_json:
            sys.stdout.write(piece.text)
            sys.stdout.flush()

    text, last = await collect(client, {**body, "messages": messages}, show)
    if as_json:
        show_json({"answer": text, "finish_reason": last.finish_reason, "timings": last.timings})
        return text
    speed = (last.timings or {}).get("predicted_per_second")
    to.say(f"\n{speed:.1f} tok/s{await _predicted(client, body)}" if speed else "", "dim")
    return text


async def _predicted(client: NodeClient, body: dict[str, Any]) -> str:
    """What the plan of the model that was asked said; nothing where it is not known which one that was."""
    ready = [each for each in (await client.status()).all_instances if each.state is InstanceState.READY]
    asked = [each for each in ready if body.get("model") in (None, each.id, each.model_id)]
    told = asked[0].plan.prediction if len(asked) == 1 else None
    return f" (predicted {told.decode:.1f})" if told is not None else ""


async def collect(
    client: NodeClient, request: dict[str, Any], show: Callable[[ChatPiece], None]
) -> tuple[str, ChatPiece]:
    """Stream an answer; returns its text and its last piece, which carries the stop reason and the timings."""
    parts: list[str] = []
    last = ChatPiece()
    async with aclosing(client.chat(request)) as pieces:
        async for piece in pieces:
            show(piece)
            parts.append(piece.text)
            last = ChatPiece(
                finish_reason=piece.finish_reason or last.finish_reason, timings=piece.timings or last.timings
            )
    return "".join(parts), last
