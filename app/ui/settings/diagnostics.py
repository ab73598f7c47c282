"""PURE: a report about this PC and its cluster for somebody who helps, with secrets and names removed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.schema.engine import EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.hardware import HardwareSnapshot, LoadSample
from app.schema.instance import InstanceStatus
from app.schema.node import Peer, Status
from app.schema.record import NodeId
from app.schema.settings import Settings
from app.ui.parts.sizes import link_speed_text, milliseconds_text, size_text
from app.ui.settings.redact import Private, named_pcs, redacted

LAST_LINES = 200
"""Lines of a log that go into a report."""

_MOST_DETAIL = 40


@dataclass(frozen=True)
class Surroundings:
    """What the status does not tell. `moment` is seconds since the epoch, `versions` what runs the window."""

    moment: float
    versions: tuple[tuple[str, str], ...]
    logs: tuple[tuple[str, tuple[str, ...]], ...] = ()


def report(status: Status | None, around: Surroundings, private: Private) -> str:
    """The whole report as Markdown. Everything goes through `redacted`, with the PCs' names as `PC 1`, `PC 2`."""
    if status is not None:
        private = replace(private, pcs=named_pcs(status.node.name, _names(status)))
    lines = [*_head(around), *(_of_status(status) if status is not None else ["", "The node does not answer."])]
    for name, tail in around.logs:
        lines += ["", f"## Log {name}, last {len(tail)} lines", "```", *tail, "```"]
    return redacted("\n".join(lines) + "\n", private)


def _names(status: Status) -> Iterator[str]:
    """Every name a PC has in this status: members', reported ones, hosts'."""
    own = status.hardware.hostname if status.hardware else None
    # The computer's own name is this PC too, but a stand-in of its own does no harm.
    yield from (name for name in (own,) if name)
    for peer in status.peers:
        yield from (peer.called, peer.name)
        if peer.report is not None and peer.report.hardware is not None:
            yield peer.report.hardware.hostname
    yield from (member.name for member in status.members)


def _head(around: Surroundings) -> Iterator[str]:
    moment = datetime.fromtimestamp(around.moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    yield "# Caravan diagnostics"
    yield f"Made {moment}. User names, PC names, keys and the last parts of addresses are removed."
    yield ""
    yield from (f"- {name}: {version}" for name, version in around.versions)


def _of_status(status: Status) -> Iterator[str]:
    yield from ("", f"## This PC: {status.node.name}")
    yield f"- node {status.node.version}, running since {_time(status.node.started_at)}"
    yield from _hardware(status.hardware, status.load)
    yield from _engine(status.engine)
    yield from _settings(status.settings)
    catalogue = status.catalogue
    yield f"- models: {catalogue.models}, unreadable: {catalogue.unreadable}"
    yield from (f"- models folder: {folder}" for folder in catalogue.folders)
    if (install := status.engine_install) is not None:
        yield f"- engine install: {install.phase}, build {install.build}, {install.backend}"
        yield from _error(install.error)
    yield from ("", f"## Cluster: {len(status.members) or 1} PCs, {len(status.seen)} seen and not joined")
    for peer in status.peers:
        yield from _peer(peer, status.node.id)
    yield from ("", "## Warnings")
    yield from (f"- {each.code}: {each.sentence}" for each in status.warnings)
    yield from ("", "## Models that run or ran")
    for instance in status.all_instances:
        yield from _instance(instance)


def _hardware(hardware: HardwareSnapshot | None, load: LoadSample | None) -> Iterator[str]:
    if hardware is None:
        yield "- hardware: not known yet"
        return
    cpu = hardware.processor
    yield f"- system: {hardware.operating_system}, {hardware.architecture}"
    yield f"- processor: {cpu.name}, {cpu.physical_cores or '?'} cores, {cpu.logical_cores} threads"
    free = f", {size_text(load.ram_free_bytes)} free" if load is not None else ""
    yield f"- RAM: {size_text(hardware.ram_bytes)}{free}"
    for each in hardware.accelerators:
        total = size_text(each.total_bytes) if each.total_bytes is not None else "unknown memory"
        driver = f", driver {each.driver}" if each.driver else ""
        yield f"- GPU: {each.name}, {each.kind}, {total}{driver}, engine calls it {each.engine_device or 'nothing'}"
    for adapter in hardware.interfaces:
        if adapter.is_up:
            speed = f"{adapter.speed // 10**6} Mbit/s" if adapter.speed else "unknown speed"
            yield f"- network: {adapter.name}, {speed}, {', '.join(adapter.addresses) or 'no address'}"
    yield from (f"- note: {note}" for note in hardware.notes)


def _engine(engine: EngineStatus) -> Iterator[str]:
    if (build := engine.build) is not None:
        yield f"- engine: {build.identity}, {build.source}, {build.server}"
        for device in build.devices:
            memory = f"{size_text(device.free_bytes)} of {size_text(device.total_bytes)} free"
            yield f"- engine device: {device.name}, {device.description}, {memory}"
    yield from _error(engine.problem, "engine")
    yield from (f"- engine notice: {notice}" for notice in engine.notices)


def _settings(settings: Settings) -> Iterator[str]:
    """Settings that are not the default; a mirror's address may hold a password and is only named."""
    for name, value in settings.model_dump(exclude_defaults=True).items():
        told = "set" if name in {"release_mirror", "hub_mirror", "name"} else value
        yield f"- setting {name}: {told}"


def _peer(peer: Peer, own: NodeId) -> Iterator[str]:
    trip = f", round trip {milliseconds_text(peer.round_trip)}" if peer.round_trip is not None else ""
    back = peer.rate_to(own)
    rate = f", {link_speed_text(peer.throughput)} to it" if peer.throughput is not None else ""
    rate += f", {link_speed_text(back)} from it" if back is not None else ""
    yield f"- {peer.called}: {peer.reachability}, {peer.address or 'no address'}{trip}{rate}"
    if peer.problem:
        yield f"  - problem: {peer.problem}"
    if (told := peer.report) is not None:
        yield from (f"  {line}" for line in (*_hardware(told.hardware, told.load), *_engine(told.engine)))


def _instance(instance: InstanceStatus) -> Iterator[str]:
    plan = instance.plan
    yield f"- {instance.model_id}: {instance.state}, {plan.pcs} PCs, context {plan.context}, KV {plan.kv_type}"
    for stage in plan.stages:
        sizes = ", ".join(str(size_text(each)) for each in (stage.weight_bytes, stage.kv_bytes, stage.compute_bytes))
        layers = f"layers {stage.first_layer}-{stage.last_layer}"
        yield f"  - {stage.node_name} {stage.device}: {stage.role}, {layers}, {sizes} of {size_text(stage.free_bytes)}"
    if (encoder := plan.encoder) is not None:
        sizes = f"{size_text(encoder.total_bytes)} of {size_text(encoder.free_bytes)}"
        yield f"  - {encoder.node_name} {encoder.device}: picture encoder, {sizes}"
    yield from (f"  - left out {each.node_name}: {each.sentence}" for each in plan.left_out)
    yield from (f"  - {phase.name}: {phase.state} {phase.note or ''}".rstrip() for phase in instance.phases)
    yield from (f"  {line}" for line in _error(instance.error))


def _error(error: ErrorInfo | None, what: str = "error") -> Iterator[str]:
    if error is not None:
        yield f"- {what}: {error.code}: {error.sentence}"
        yield from (f"  - {line}" for line in _last(error.detail))


def _last(lines: Sequence[str]) -> Iterable[str]:
    return lines[-_MOST_DETAIL:]


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
