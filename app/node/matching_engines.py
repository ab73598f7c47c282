"""PURE: whether the PCs of a plan still have one and the same llama.cpp, at the moment of its launch.

Planning compares them too, but a plan may be minutes old. llama.cpp itself compares only part of its version, and a
worker of another build computes nonsense or takes its head down.
"""

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
            raise EngineMismatch(
                f"{peer.called} has llama.cpp {_told(other)}, {status.node.name} has {_told(build)}: "
                "they must be the same.",
                "Update one of them (`caravan engine install`), then plan again.",
            )


def _told(build: EngineBuild) -> str:
    return f"b{build.build}" if build.build else build.identity
