"""PURE: a line of the engine's output -> what it says, for both generations of the log format.

Builds up to about b8000 print bare text; newer ones put `M.SS.mmm.uuu L ` before it, where L is the level. The control
lines on standard output begin with `cmd_child_to_router:` in both.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from app.engine.diagnosis import diagnose_head, diagnose_worker
from app.engine.events import (
    BufferSize,
    BuildLine,
    ControlReady,
    ControlState,
    Failure,
    FailureKind,
    LayerAssigned,
    Listening,
    LoadDots,
    LoadingTensors,
    ModelLoaded,
    OutputEvent,
    UsingDevice,
    WarmingUp,
)
from app.engine.failures import parse_failure

__all__ = [
    "BufferSize",
    "BuildLine",
    "ControlReady",
    "ControlState",
    "Failure",
    "FailureKind",
    "LayerAssigned",
    "Listening",
    "LoadDots",
    "LoadingTensors",
    "ModelLoaded",
    "OutputEvent",
    "UsingDevice",
    "WarmingUp",
    "diagnose_head",
    "diagnose_worker",
    "parse_line",
]

CONTROL = "cmd_child_to_router:"
"""How a line of the control channel begins (llama.cpp `tools/server/server-models.cpp`)."""

LONGEST_LINE = 2_000
"""Characters looked at in a log line: none the engine means for us is longer, and a hostile one must cost nothing."""

_DECORATION = re.compile(r"\x1b\[[0-9;]*m|^\d+\.\d\d\.\d{3}\.\d{3} [A-Z] ")
_REMOTE_OWNER = re.compile(r"^(\S+)\[([^\]]+)\]$")


def parse_line(line: str) -> OutputEvent | None:
    """What one line of standard output or standard error says, None for a line that says nothing to us.

    Never raises.
    """
    if line.startswith(CONTROL):
        return _control(line[len(CONTROL) :].strip())
    text = _DECORATION.sub("", line[:LONGEST_LINE]).strip()
    for pattern, make in _LINES:
        found = pattern.search(text)
        if found is not None:
            return make(found)
    return parse_failure(text)


def _control(text: str) -> ControlState | ControlReady | None:
    if text == "ready":
        return ControlReady()
    kind, _, body = text.partition(":")
    if kind != "state":
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    payload = told.get("payload")
    return _state(told.get("state"), payload if isinstance(payload, dict) else {})


def _state(state: object, payload: dict[str, Any]) -> ControlState | ControlReady | None:
    if state == "ready":
        meta = payload.get("meta")
        context = meta.get("n_ctx") if isinstance(meta, dict) else None
        return ControlReady(context if isinstance(context, int) else None)
    stage, value = payload.get("current"), payload.get("value")
    if state == "loading" and isinstance(stage, str) and isinstance(value, int | float):
        return ControlState(stage, float(min(max(value, 0.0), 1.0))) if value == value else None
    return None


def _buffer(found: re.Match[str]) -> BufferSize:
    remote = _REMOTE_OWNER.match(found[1])
    owner, endpoint = (remote[1], remote[2]) if remote else (found[1], None)
    return BufferSize(owner, endpoint, found[2], float(found[3]))


def _device(found: re.Match[str]) -> UsingDevice:
    remote = found[1].startswith("RPC")
    return UsingDevice(found[1], found[2] if remote else None)


_LINES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], OutputEvent]], ...] = (
    (re.compile(r"(\S+) +(model|KV|RS|compute|output) buffer size = *(\d{1,12}(?:\.\d{1,6})?) MiB"), _buffer),
    (re.compile(r"\busing device (\S+) \(([^()]*)"), _device),
    (
        re.compile(r"load_tensors: layer +(\d{1,6}) assigned to device ([^\s,]+)"),
        lambda found: LayerAssigned(int(found[1]), found[2]),
    ),
    (re.compile(r"\bbuild:? (\d{1,9}) \((\w+)\) with "), lambda found: BuildLine(int(found[1]), found[2])),
    (re.compile(r"^load_tensors: loading model tensors"), lambda _: LoadingTensors()),
    (re.compile(r"^(\.+)$"), lambda found: LoadDots(len(found[1]))),
    (re.compile(r": warming up the model"), lambda _: WarmingUp()),
    (re.compile(r": model loaded$"), lambda _: ModelLoaded()),
    (re.compile(r"\blistening on (http\S+)"), lambda found: Listening(found[1])),
)
