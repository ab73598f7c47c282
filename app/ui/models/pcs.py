"""PURE: the PCs of a status as the picker needs them, and when their memory changed enough to matter."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.schema.devices import processor_device
from app.schema.instance import InstanceStatus
from app.schema.node import Peer, Reachability, Status
from app.schema.plan import DeviceResources
from app.schema.record import NodeId
from app.ui.pc_colours import pc_colours

MATERIAL_BYTES = 512 << 20
"""Free memory that moves by less changes no verdict worth asking again for."""

MATERIAL_PART = 0.05


@dataclass(frozen=True)
class Pc:
    """One PC of the cluster. `is_there` says that it answers; `colour` is its index in `Palette.device_colour`."""

    node: NodeId
    name: str
    is_this: bool
    is_there: bool
    devices: tuple[DeviceResources, ...]
    engine: str | None
    sharing: bool
    instances: tuple[InstanceStatus, ...]
    colour: int = 0

    def device(self, name: str) -> DeviceResources | None:
        """The device the engine calls `name`; None when the PC has not told of it."""
        return next((each for each in self.devices if each.device == name), None)


def pcs_of(status: Status) -> tuple[Pc, ...]:
    """This PC first, then its peers by name."""
    peers = sorted((_peer(each) for each in status.peers), key=lambda pc: (pc.name.casefold(), pc.node))
    colours = pc_colours(status)
    return tuple(replace(pc, colour=colours[pc.node]) for pc in (_own(status), *peers))


def name_of(pcs: tuple[Pc, ...], node: NodeId) -> str:
    """What a PC is called; the beginning of its id when it has left."""
    return next((pc.name for pc in pcs if pc.node == node), node[:8])


def is_material(before: tuple[Pc, ...], after: tuple[Pc, ...]) -> bool:
    """Whether plans made before may be wrong now: another PC, engine, device or running model, or much other memory."""
    if len(before) != len(after):
        return True
    return any(_differs(one, other) for one, other in zip(before, after, strict=True))


def _differs(one: Pc, other: Pc) -> bool:
    if _standing(one) != _standing(other):
        return True
    return any(_moved(a, b) for a, b in zip(one.devices, other.devices, strict=True))


def _standing(pc: Pc) -> tuple[object, ...]:
    devices = tuple((each.device, each.name, each.total_bytes, each.bandwidth is None) for each in pc.devices)
    running = tuple((each.id, each.state) for each in pc.instances)
    return pc.node, pc.name, pc.is_there, pc.engine, pc.sharing, devices, running


def _moved(one: DeviceResources, other: DeviceResources) -> bool:
    limit = max(MATERIAL_BYTES, int(one.total_bytes * MATERIAL_PART))
    return abs(one.free_bytes - other.free_bytes) >= limit


def _peer(peer: Peer) -> Pc:
    report = peer.report
    build = report.engine.build if report else None
    return Pc(
        node=peer.node,
        name=peer.called,
        is_this=False,
        is_there=peer.reachability in {Reachability.ALIVE, Reachability.SUSPECT},
        devices=report.devices if report else (),
        engine=build.identity if build else None,
        sharing=report.sharing if report else True,
        instances=report.instances if report else (),
    )


def _own(status: Status) -> Pc:
    return Pc(
        node=status.node.id,
        name=status.node.name,
        is_this=True,
        is_there=True,
        devices=tuple(_own_devices(status)),
        engine=status.engine.build.identity if status.engine.build else None,
        sharing=status.settings.sharing,
        instances=status.instances,
    )


def _own_devices(status: Status) -> Iterator[DeviceResources]:
    """This PC's devices from its own probe: what it offers is told to peers only."""
    hardware, load = status.hardware, status.load
    if hardware is None or load is None:
        return
    samples = {each.key: each.free_bytes for each in load.accelerators}
    for gpu in hardware.accelerators:
        free = samples.get(gpu.key, gpu.free_bytes)
        if gpu.engine_device is None or gpu.total_bytes is None or free is None:
            continue
        yield DeviceResources(
            device=gpu.engine_device, name=gpu.name, total_bytes=gpu.total_bytes, free_bytes=free, is_cpu=False
        )
    yield processor_device(hardware, load)
