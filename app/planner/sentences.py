"""The planner's words: plain English, sentence case, the PC's name in it, numbers with units, the next step last."""

from collections.abc import Sequence

from app.schema.plan import DeviceResources, NodeResources

MEBI = 1 << 20
GIBI = 1 << 30

MOST_NAMES = 4


def size(count: int, *, up: bool = False) -> str:
    """Bytes as `21.3 GB` or `380 MB`, 1 GB being 2**30 bytes as Windows counts. Rounded down, or up when `up`.

    What is needed is rounded up and what is free is rounded down, so a text never promises too much.
    """
    mebis = -(-count // MEBI) if up else count // MEBI
    if mebis < GIBI // MEBI:
        return f"{mebis} MB"
    tenths = -(-count * 10 // GIBI) if up else count * 10 // GIBI
    return f"{tenths // 10}.{tenths % 10} GB".replace(".0 GB", " GB")


def number(count: int) -> str:
    """A count with its thousands apart: `16 384`."""
    return f"{count:,}".replace(",", " ")


def pcs(count: int) -> str:
    """`1 PC`, `2 PCs`."""
    return f"{count} PC" if count == 1 else f"{count} PCs"


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Names as `A`, `A and B`, `A, B and 3 more PCs`."""
    if len(names) > most:
        names = (*names[: most - 1], f"{len(names) - most + 1} more PCs")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def build(name: str | None) -> str:
    """An engine build as people write it: `b11434` for a bare number."""
    if name is None:
        return "no llama.cpp"
    return f"llama.cpp b{name}" if name.isdigit() else f"llama.cpp {name}"


def avoided(node: NodeResources) -> str:
    """A node the request excludes."""
    return f"{node.name} is left out as you asked."


def problem(node: NodeResources, sentence: str) -> str:
    """A node that reports a problem of its own."""
    return sentence if node.name in sentence else f"{node.name}: {sentence}"


def no_engine(node: NodeResources) -> str:
    """A node without an engine."""
    return f"{node.name} has no llama.cpp engine. Install it there."


def other_build(node: NodeResources, head: NodeResources) -> str:
    """A node whose engine differs from the head's."""
    mine, other = build(node.engine_build), build(head.engine_build)
    return f"{node.name} has {mine}, {head.name} has {other}: they must be the same. Update one of them."


def no_memory(node: NodeResources) -> str:
    """A node whose free memory is below the reserve everywhere."""
    if not node.devices:
        return f"{node.name} reports no memory a model could use."
    free = max(device.free_bytes for device in node.devices)
    return f"{node.name} has {size(free)} free, which is kept in reserve for Windows and other programs."


def no_room(node: NodeResources, context: int) -> str:
    """A node that cannot hold one layer."""
    free = max((device.free_bytes for device in node.devices), default=0)
    return (
        f"{node.name} has {size(free)} free: with the reserve taken off that does not hold one layer "
        f"with {number(context)} tokens of context."
    )


def processor_spared(node: NodeResources) -> str:
    """A node whose GPU has no room and whose processor is not needed."""
    return f"{node.name} has no room on its GPU, and its processor is only used when nothing else fits."


def not_needed(node: NodeResources, names: Sequence[str]) -> str:
    """A node that could take part but need not."""
    return f"{node.name} is not needed: it fits on {_on(names)}."


def not_asked(node: NodeResources, count: int) -> str:
    """A node that is left out because the request fixes the number of PCs."""
    return f"{node.name} is not used: {asked_for(count)}."


def asked_for(count: int) -> str:
    """`1 PC was asked for`, `2 PCs were asked for`."""
    return f"{pcs(count)} {'was' if count == 1 else 'were'} asked for"


def speed(rate: float) -> str:
    """Tokens per second: `23 tokens/s`, below 10 with one decimal, below 0.1 with two, never as nothing."""
    if rate >= 0.095:
        return f"{rate:.0f} tokens/s" if rate >= 9.95 else f"{rate:.1f} tokens/s"
    return f"{rate:.2f} tokens/s" if rate >= 0.01 else "less than 0.01 tokens/s"


def seconds(time: float) -> str:
    """A time: `35 s`, `4.2 s`, `40 ms`, `0.3 ms`."""
    if time >= 0.0995:
        return f"{time:.0f} s" if time >= 9.95 else f"{time:.1f} s"
    return f"{time * 1e3:.0f} ms" if time >= 1.95e-3 else f"{time * 1e3:.1f} ms"


def _rates(now: float, then: float) -> tuple[str, str]:
    """Two speeds, with decimals when whole numbers would not tell them apart."""
    shown = speed(now), speed(then)
    return shown if shown[0] != shown[1] else (f"{now:.2f} tokens/s", f"{then:.2f} tokens/s")


def _comes_at(rate: str, conversations: int) -> str:
    """`the answer comes at 23 tokens/s`; `all 4 conversations together get 60 tokens/s`."""
    several = f"all {conversations} conversations together get {rate}"
    return several if conversations > 1 else f"the answer comes at {rate}"


def no_gain(node: NodeResources, now: float, then: float, conversations: int = 1) -> str:
    """A node that would change next to nothing."""
    without = speed(now) if conversations > 1 else f"at {speed(now)}"
    return f"{node.name} is not needed: with it {_comes_at(speed(then), conversations)}, without it {without}."


def no_time_gained(node: NodeResources, now: float, then: float) -> str:
    """A node with which the first token comes later and the others faster, so that the whole takes as long."""
    return (
        f"{node.name} is not needed: with it the answer comes faster and the first token later; "
        f"question and answer together take {seconds(then)}, without it {seconds(now)}."
    )


def slow_link(node: NodeResources, told: str, is_measured: bool, lost: float, conversations: int = 1) -> str:
    """A node whose link costs more than the node gives. `told` is what of the link costs: `4 ms`, `100 Mbit/s`."""
    known = told if is_measured else f"taken as {told}, not measured"
    return f"{node.name} is left out: its link ({known}) would cost {speed(lost)}{_of_all(conversations)}."


def throughput(rate: float) -> str:
    """Bytes per second as links are sold: `100 Mbit/s`, `2.5 Gbit/s`, `56 kbit/s`."""
    megabits = rate * 8 / 1e6
    if megabits < 0.95:
        return f"{megabits * 1e3:.0f} kbit/s"
    return f"{megabits:.0f} Mbit/s" if megabits < 999.5 else f"{megabits / 1e3:.1f} Gbit/s".replace(".0 G", " G")


def slow_device(
    node: NodeResources, now: float, then: float, conversations: int = 1, *, is_measured: bool = True
) -> str:
    """A node that computes more slowly than those in use, or is taken to where not all of them are measured."""
    without, with_it = _rates(now, then)
    told = f"With it {_comes_at(with_it, conversations)}, not {without}."
    slower = "it is slower than the others" if is_measured else "it is taken as slower than the others, not measured"
    return f"{node.name} is left out: {slower}. {told}"


def slower_prompt(node: NodeResources, now: float, then: float) -> str:
    """A node that makes the wait for the first token longer than it makes the answer shorter."""
    return (
        f"{node.name} is left out: with it the first token comes after {seconds(then)} instead of {seconds(now)}, "
        f"which the answer does not make up for."
    )


def slower_prompts(node: NodeResources, now: float, then: float, conversations: int) -> str:
    """As `slower_prompt`, for several conversations: what all of them get tells it best."""
    without, with_it = _rates(now, then)
    told = f"with it {_comes_at(with_it, conversations)}, not {without}"
    return f"{node.name} is left out: {told}, because questions would wait longer than answers gain."


def drafts(model: str, rate: float, plain: float) -> str:
    """A draft model that pays."""
    return f"{model} guesses ahead: about {speed(rate)} instead of {speed(plain)}."


def guesses_from_the_text() -> str:
    """Guesses from repeated text."""
    return "Text that repeats is guessed ahead."


def device_name(node: NodeResources, device: DeviceResources) -> str:
    """`The processor of DEN`, `CUDA1 of DEN`."""
    return f"The processor of {node.name}" if device.is_cpu else f"{device.device} of {node.name}"


def full_device(node: NodeResources, device: DeviceResources) -> str:
    """A device whose free memory is within the reserve."""
    free = (
        f"only {size(device.free_bytes)} of its memory is free" if device.free_bytes else "none of its memory is free"
    )
    kept = ", which is kept in reserve" if device.free_bytes else ""
    return f"{device_name(node, device)} holds nothing: {free}{kept}."


def small_device(node: NodeResources, device: DeviceResources, context: int) -> str:
    """A device that cannot hold one layer."""
    return (
        f"{device_name(node, device)} holds nothing: {size(device.free_bytes)} of its memory is free, which with the "
        f"reserve taken off does not hold one layer with {number(context)} tokens of context."
    )


def spare_device(node: NodeResources, device: DeviceResources, *, is_slower: bool) -> str:
    """A device that could hold layers."""
    because = ", and it is slower than the devices in use" if is_slower else ""
    return f"{device_name(node, device)} holds nothing: it is not needed{because}."


def no_share(node: NodeResources) -> str:
    """A node without a share in a split the user fixed."""
    return f"{node.name} has no layers in the split you set."


def shares_beside(node: NodeResources) -> str:
    """A PC that must take part and has no share in a split the user fixed."""
    return f"{node.name} is to take part, but has no layers in the split you set."


def shares_on(count: int, asked: int, *, is_least: bool) -> str:
    """A split the user fixed that is on another number of PCs than the one that was asked for."""
    least = "at least " if is_least else ""
    return f"The split you set is on {pcs(count)}, its head counted; {least}{asked_for(asked)}."


SHARE_TWICE = "A device has two shares. Give each device one."
SHARE_STRANGER = "The split names a PC that is not in the cluster."


def shares_off(model: str, shared: int, layers: int) -> str:
    """Fixed shares that do not add up."""
    return f"The split places {shared} layers; {model} has {layers}."


def no_such_device(node: NodeResources, device: str) -> str:
    """A share on a device that is not there."""
    return f"{node.name} has no device {device}."


def processor_first(head: NodeResources) -> str:
    """A share of the head's processor behind another device."""
    return f"The layers on the processor of {head.name}, which runs the model, have to be the first ones."


def share_too_big(node: NodeResources, device: DeviceResources, layers: int, short: int) -> str:
    """A share that does not fit its device."""
    count = "1 layer" if layers == 1 else f"{layers} layers"
    return f"{count} on {node.name} ({device.device}): {size(short, up=True)} short."


def too_many_wanted(asked: int, head: NodeResources, names: Sequence[str]) -> str:
    """PCs that must take part, and the head, are more than the number that was asked for."""
    told = f"with {head.name}, which would run the model, and those that must take part"
    return f"{asked_for(asked)}; {told} it takes {len(names)}: {listed(names, len(names))}."


def cannot_join(name: str | None) -> str:
    """A PC that must take part and is not there, or not together with the others."""
    if name is None:
        return "A PC that is to take part is not in the cluster."
    return f"{name} cannot take part together with the other PCs you chose."


def fits(
    names: Sequence[str], context: int, rate: float | None = None, conversations: int = 1, *, is_idle: bool = False
) -> str:
    """An alternative that fits, with the speed to expect where it is known: of several conversations that of all.

    `is_idle`: the first PC holds no layers.
    """
    told = f"Fits on {_on(names)} with {number(context)} tokens of context"
    told += f" and no layers on {names[0]}, which only runs it" if is_idle else ""
    return f"{told}." if rate is None else f"{told}: {speed(rate)}{_of_all(conversations)}."


def _of_all(conversations: int) -> str:
    return f" of all {conversations} conversations together" if conversations > 1 else ""


def falls_short(names: Sequence[str], context: int, short: int, largest: int | None) -> str:
    """An alternative that does not fit. `short` is 0 when only the division into layers fails; `largest` is the largest
    context that fits on so many PCs, None when none does.
    """
    would = "" if largest is None else f" (largest context that fits: {number(largest)})"
    if short:
        return f"{_on(names)}: {size(short, up=True)} short for {number(context)} tokens of context{would}."
    return f"{_on(names)}: enough memory in all, but not in pieces that hold whole layers{would}."


def memory(node: NodeResources, devices: Sequence[DeviceResources]) -> str:
    """What a node has: `WORKSHOP has 9.8 GB free of 12 GB`; GPU and RAM told apart when both count."""
    gpus = [device for device in devices if not device.is_cpu]
    processors = [device for device in devices if device.is_cpu]
    if not devices:
        return f"{node.name} has no memory to spare"
    if not gpus or not processors:
        return f"{node.name} has {_free(devices)}"
    card = "its GPU" if len(gpus) == 1 else f"its {len(gpus)} GPUs"
    return f"{node.name} has {_free(gpus)} on {card} and {_free(processors)} of RAM"


def does_not_fit(model: str, needed: int, short: int, context: int, memories: Sequence[str], encoder: int = 0) -> str:
    """The refusal for lack of memory, with all its numbers. `encoder` is the part of the picture encoder, 0 without."""
    asked = f"{model} needs {size(needed, up=True)} for {number(context)} tokens of context"
    asked += f" and its picture encoder ({size(encoder, up=True)})" if encoder else ""
    if short:
        return f"{asked}; {', '.join(memories)}: {size(short, up=True)} short."
    return f"{asked}; {', '.join(memories)}: enough in all, but no division into whole layers fits every device."


def no_room_for_encoder(model: str, needed: int, memories: Sequence[str]) -> str:
    """No device of any PC that could run the model has room for its picture encoder."""
    told = f"The picture encoder of {model} needs {size(needed, up=True)} on one device of the PC that runs the model"
    return f"{told}; {', '.join(memories)}, part of which is kept in reserve."


def encoder_in_ram(node: NodeResources) -> str:
    """The picture encoder of a head with cards lies in its RAM."""
    return (
        f"The picture encoder lies in the RAM of {node.name}, where pictures take longer: on a card it would take room "
        "that the layers need."
    )


def memory_hint(largest: int | None, fitting_pcs: int | None, asked_pcs: int | None) -> str:
    """What to do when memory is short: fewer tokens, another number of PCs than the asked one, or a smaller file."""
    if fitting_pcs is not None and largest is not None:
        where = "as asked" if asked_pcs is None else f"on {pcs(asked_pcs)}"
        return f"It fits on {pcs(fitting_pcs)}, or {where} with {number(largest)} tokens of context."
    if fitting_pcs is not None:
        return f"It fits on {pcs(fitting_pcs)}."
    if largest is not None:
        return f"It fits with {number(largest)} tokens of context. Or choose a smaller quantization, or add a PC."
    return "Choose a smaller quantization of the model, close programs that use memory, or add a PC."


def without_shares(fitting_pcs: int) -> str:
    """What to do when a split the user fixed does not fit, but another one does."""
    return f"Give that device fewer layers. Without a split of your own it fits on {pcs(fitting_pcs)}."


def context_note(model: str, context: int, default: int) -> str | None:
    """What to say when the planner had to go below its default context; None when it did not."""
    if context >= default:
        return None
    return f"{model} gets {number(context)} tokens of context: {number(default)} do not fit in the free memory."


def idle_head(node: NodeResources, holding: int) -> str:
    """The head holds no layers although it was counted on."""
    held = "1 PC holds" if holding == 1 else f"{holding} PCs hold"
    return f"{held} the layers: {node.name} only runs the model, with layers there too it does not fit."


def _free(devices: Sequence[DeviceResources]) -> str:
    free = sum(device.free_bytes for device in devices)
    return f"{size(free)} free of {size(sum(device.total_bytes for device in devices))}"


def _on(names: Sequence[str]) -> str:
    return f"{names[0]} alone" if len(names) == 1 else listed(names)
