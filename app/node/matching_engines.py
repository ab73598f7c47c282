"""PURE: whether the PCs of a plan still have one and the same llama.cpp, at the moment of its launch and of its head.

Planning compares them too, but a plan may be minutes old, and an install may end while a launch goes on. llama.cpp
itself compares only part of its version, and a worker of another build computes nonsense or takes its head down.
"""

from collections.abc import Mapping

from app.schema.engine import EngineBuild
from app.schema.errors import EngineMismatch
from app.schema.node import Status
from app.schema.plan import Plan


def check_engines(plan: Plan, build: EngineBuild, status: Status) -> None:
    """Raises EngineMismatch, with the names of both PCs, when a worker has another build than `build`, its head's.

    What a PC that does not answer has is not known, and not judged here.
    """
    wanted = {stage.node for stage in plan.stages} - {status.node.id}
    for peer in status.peers:
        if peer.node not in wanted or peer.report is None:
            continue
        other = peer.report.engine.build
        if other is not None and other.identity != build.identity:
            raise _mismatch(f"{peer.called} has llama.cpp {_told(other)}, {status.node.name} has {_told(build)}")


def check_workers(engines: Mapping[str, str], build: EngineBuild, name: str) -> None:
    """Raises EngineMismatch when a started worker is of another build than `build`, which its head's PC `name` has now.

    `engines` are the workers' builds by the names of their PCs, any of which may have got a new one meanwhile.
    """
    for pc, identity in engines.items():
        if identity != build.identity:
            raise _mismatch(f"The worker on {pc} is llama.cpp {identity}, {name} has {build.identity}")


def _mismatch(told: str) -> EngineMismatch:
    hint = "Update one of them (`caravan engine install`), then plan again."
    return EngineMismatch(f"{told}: they must be the same.", hint)


def _told(build: EngineBuild) -> str:
    return f"b{build.build}" if build.build else build.identity
