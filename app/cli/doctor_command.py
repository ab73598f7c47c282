"""`caravan doctor`: one line per thing that must be right, and what to do where it is not."""

import asyncio
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli import words
from app.cli.console import EXIT_FAILED, Session, run, session, show_json
from app.cli.facts import AsJson
from app.schema.errors import CaravanError
from app.schema.hardware import Accelerator
from app.schema.node import HealthWarning, Peer, Reachability, Status
from app.schema.record import Record
from app.system.network_profile import ConnectedNetwork, networks

LITTLE_BYTES = 5 << 30
"""Less free space than this on the disk of Caravan's folder is too little for a model."""

FIXABLE = ("network_public", "firewall_blocks")
"""Codes of warnings that Caravan can put right itself."""

_DISCOVERY = ("discovery_", "same_key_on_two_pcs")


class Verdict(StrEnum):
    """How a check ended. `note` is worth a look and nothing is wrong, or cannot be known here."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Check(Record):
    """One thing that was looked at. `fix` says what to do, and `code` is the warning's where there is one."""

    name: str
    verdict: Verdict
    sentence: str
    fix: str = ""
    code: str | None = None


class Facts(Record):
    """What the checks are made of: the node's own status, and what this PC says directly. None is unknown."""

    status: Status | None
    trouble: Check | None = None
    networks: tuple[tuple[str, str], ...] | None = None
    free_bytes: int | None = None
    folder: str = ""


def doctor(
    context: typer.Context,
    as_json: AsJson = False,
    fix: Annotated[bool, typer.Option("--fix", help="Put right what can be; Windows asks you first.")] = False,
) -> None:
    """Look for what keeps this PC or its cluster from working, and say what to do."""
    to = session(context)

    async def work() -> int:
        found = checks(await _facts(to))
        if fix:
            await _fix(to, found, as_json)
            found = checks(await _facts(to))
        is_wrong = any(each.verdict is Verdict.WRONG for each in found)
        if as_json:
            show_json({"ok": not is_wrong, "checks": found})
        else:
            _show(to, found)
        return EXIT_FAILED if is_wrong else 0

    run(to, work, as_json)


async def _facts(to: Session) -> Facts:
    status, trouble = None, None
    try:
        async with to.client() as client:
            status = await client.status()
    except CaravanError as error:
        trouble = Check(name="Caravan", verdict=Verdict.WRONG, sentence=error.sentence, fix=error.hint, code=error.code)
    return Facts(
        status=status,
        trouble=trouble,
        networks=_named(await asyncio.to_thread(networks)),
        free_bytes=await asyncio.to_thread(_free_bytes, to.paths.data),
        folder=str(to.paths.data),
    )


def _named(found: tuple[ConnectedNetwork, ...] | None) -> tuple[tuple[str, str], ...] | None:
    return None if found is None else tuple((each.name, each.category.value) for each in found)


def _free_bytes(folder: Path) -> int | None:
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    try:
        return shutil.disk_usage(there).free if there is not None else None
    except OSError:
        return None


async def _fix(to: Session, found: tuple[Check, ...], quiet: bool) -> None:
    codes = [each.code for each in found if each.code in FIXABLE]
    if not codes:
        return
    async with to.client() as client:
        for code in codes:
            said = await client.fix(str(code))
            if not quiet:
                to.say(said)


def checks(facts: Facts) -> tuple[Check, ...]:
    """PURE: every check, in the order in which things must be right."""
    disk = _disk(facts)
    if facts.status is None:
        return (*((facts.trouble,) if facts.trouble else ()), disk)
    looked = (_node, _engine, _gpu, _network, _firewall, _ports, _discovery, _members, _models)
    known = tuple(each(facts.status, facts) for each in looked)
    told = {each.code for each in known}
    others = (each for each in facts.status.warnings if each.code not in told)
    return (*known, disk, *(_other(each) for each in others))


def _other(warning: HealthWarning) -> Check:
    return Check(name="also", verdict=Verdict.NOTE, sentence=warning.sentence, fix=warning.hint, code=warning.code)


def _node(status: Status, facts: Facts) -> Check:
    sentence = f"Caravan {status.node.version} runs on {status.node.name}."
    return Check(name="Caravan", verdict=Verdict.OK, sentence=sentence)


def _engine(status: Status, facts: Facts) -> Check:
    engine = status.engine
    if engine.build is not None:
        sentence = f"llama.cpp {engine.build.identity} ({engine.build.source})."
        return Check(name="engine", verdict=Verdict.OK, sentence=sentence)
    if engine.problem is None:
        return Check(name="engine", verdict=Verdict.NOTE, sentence="The engine is still being looked for.")
    problem = engine.problem
    return Check(name="engine", verdict=Verdict.WRONG, sentence=problem.sentence, fix=problem.hint, code=problem.code)


def _gpu(status: Status, facts: Facts) -> Check:
    found = status.hardware.accelerators if status.hardware is not None else ()
    unused = [each for each in found if each.engine_device is None]
    if status.hardware is None or status.engine.build is None:
        return Check(name="GPU", verdict=Verdict.NOTE, sentence="Not known yet whether the engine uses one.")
    if not found:
        sentence = "No GPU that the engine or a driver knows: this PC works with its processor."
        return Check(name="GPU", verdict=Verdict.NOTE, sentence=sentence)
    if unused:
        names = " and ".join(each.name for each in unused)
        sentence = f"The driver sees {names}, but the engine does not use it."
        fix = "Install the engine for this GPU: `caravan engine install`. If it stays so, update the graphics driver."
        return Check(name="GPU", verdict=Verdict.WRONG, sentence=sentence, fix=fix)
    return Check(name="GPU", verdict=Verdict.OK, sentence=f"The engine uses {', '.join(map(_gpu_name, found))}.")


def _gpu_name(accelerator: Accelerator) -> str:
    return f"{accelerator.name} as {accelerator.engine_device}"


def _network(status: Status, facts: Facts) -> Check:
    warned = _warned(status, lambda code: code == "network_public")
    if warned is not None:
        return _wrong("network", warned)
    if not facts.networks:
        return Check(name="network", verdict=Verdict.NOTE, sentence="This system does not say what kind of network.")
    said = ", ".join(f"{name or 'a network'} ({category})" for name, category in facts.networks)
    return Check(name="network", verdict=Verdict.OK, sentence=f"{said}.")


def _firewall(status: Status, facts: Facts) -> Check:
    warned = _warned(status, lambda code: code == "firewall_blocks")
    if warned is not None:
        return _wrong("firewall", warned)
    if facts.networks is None:
        return Check(name="firewall", verdict=Verdict.NOTE, sentence="This system's firewall cannot be read.")
    return Check(name="firewall", verdict=Verdict.OK, sentence="The Windows firewall does not keep other PCs out.")


def _ports(status: Status, facts: Facts) -> Check:
    warned = _warned(status, lambda code: code == "peer_port_unusable")
    if warned is not None:
        return _wrong("ports", warned)
    return Check(name="ports", verdict=Verdict.OK, sentence="Every port that Caravan needs is its own.")


def _discovery(status: Status, facts: Facts) -> Check:
    warned = _warned(status, lambda code: code.startswith(_DISCOVERY))
    if warned is not None:
        return _wrong("discovery", warned)
    count = len(status.seen)
    sentence = f"{count} other PC{'' if count == 1 else 's'} with Caravan seen on this network."
    return Check(name="discovery", verdict=Verdict.OK if count else Verdict.NOTE, sentence=sentence)


def _members(status: Status, facts: Facts) -> Check:
    silent = [each for each in status.peers if each.reachability is not Reachability.ALIVE]
    if not status.peers:
        fix = "To use several PCs: `caravan invite` here, `caravan join` there."
        return Check(name="cluster", verdict=Verdict.NOTE, sentence="This PC is in no cluster.", fix=fix)
    if silent:
        sentence = " ".join(_silence(each) for each in silent)
        fix = "Is it switched on, on this network, and does Caravan run there? Run `caravan doctor` there too."
        return Check(name="cluster", verdict=Verdict.WRONG, sentence=sentence, fix=fix)
    names = ", ".join(each.called for each in status.peers)
    return Check(name="cluster", verdict=Verdict.OK, sentence=f"Every other PC answers: {names}.")


def _silence(peer: Peer) -> str:
    return peer.problem or f"{peer.called} does not answer."


def _models(status: Status, facts: Facts) -> Check:
    catalogue = status.catalogue
    if catalogue.models == 0:
        sentence = "Models are still being looked for." if catalogue.scanning else "There is no model on this PC."
        fix = "Put a .gguf file into the models folder, or add its folder in the settings."
        return Check(name="models", verdict=Verdict.NOTE, sentence=sentence, fix=fix)
    found = f"{catalogue.models} model{'' if catalogue.models == 1 else 's'} on this PC"
    if catalogue.unreadable:
        sentence = f"{found}, {catalogue.unreadable} of them cannot be read."
        return Check(name="models", verdict=Verdict.NOTE, sentence=sentence, fix="`caravan models` says why.")
    return Check(name="models", verdict=Verdict.OK, sentence=f"{found}.")


def _disk(facts: Facts) -> Check:
    if facts.free_bytes is None:
        return Check(name="disk", verdict=Verdict.NOTE, sentence=f"The disk of {facts.folder} cannot be read.")
    sentence = f"{words.size(facts.free_bytes)} free where Caravan keeps its files ({facts.folder})."
    if facts.free_bytes < LITTLE_BYTES:
        fix = "Make room there, or keep models in a folder on another disk."
        return Check(name="disk", verdict=Verdict.WRONG, sentence=sentence, fix=fix)
    return Check(name="disk", verdict=Verdict.OK, sentence=sentence)


def _warned(status: Status, is_it: Callable[[str], bool]) -> HealthWarning | None:
    return next((each for each in status.warnings if is_it(each.code)), None)


def _wrong(name: str, warning: HealthWarning) -> Check:
    return Check(name=name, verdict=Verdict.WRONG, sentence=warning.sentence, fix=warning.hint, code=warning.code)


def _show(to: Session, found: tuple[Check, ...]) -> None:
    width = max(len(each.name) for each in found)
    marks = {Verdict.OK: "ok   ", Verdict.NOTE: "-    ", Verdict.WRONG: "WRONG"}
    for each in found:
        fix = f" {each.fix}" if each.fix else ""
        to.say(f"{marks[each.verdict]} {each.name:<{width}}  {each.sentence}{fix}")
    if any(each.code in FIXABLE for each in found):
        to.say("Caravan can put this right itself: `caravan doctor --fix`.")
