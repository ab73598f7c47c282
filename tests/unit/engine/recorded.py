"""Output of real engine programs, recorded once: `recordings/BUILD-WHAT.txt`."""

import json
from dataclasses import dataclass
from pathlib import Path

from app.engine.capabilities import parse_flags, parse_version
from app.schema.engine import EngineBuild

FOLDER = Path(__file__).parent / "recordings"
BUILDS = ("b7827", "b11434")


@dataclass(frozen=True)
class Recording:
    """A program's arguments, exit code and lines as (stream, text)."""

    arguments: tuple[str, ...]
    returncode: int
    lines: tuple[tuple[str, str], ...]

    def of(self, stream: str) -> str:
        return "\n".join(text for name, text in self.lines if name == stream)

    @property
    def tail(self) -> tuple[str, ...]:
        return tuple(text for _, text in self.lines)[-200:]

    @property
    def endpoints(self) -> list[str]:
        return self.arguments[self.arguments.index("--rpc") + 1].split(",")


def read(name: str) -> Recording:
    lines = (FOLDER / f"{name}.txt").read_text("utf-8").split("\n")
    facts = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    pairs = (line.split("\t", 1) for line in lines if line.startswith(("stdout\t", "stderr\t")))
    return Recording(
        arguments=tuple(json.loads(facts["arguments"])),
        returncode=int(facts["exit"]),
        lines=tuple((stream, text) for stream, text in pairs),
    )


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.txt"))


def build(name: str) -> EngineBuild:
    """The recorded build, as the prober would describe it."""

    version = parse_version(read(f"{name}-version").of("stderr"))
    assert version is not None
    new = name == "b11434"
    return EngineBuild(
        server="/engine/llama-server",
        worker="/engine/ggml-rpc-server" if new else "/engine/rpc-server",
        fit_params="/engine/llama-fit-params" if new else None,
        source="setting",
        build=version.build,
        commit=version.commit,
        version_text=version.text,
        flags=parse_flags(read(f"{name}-server-help").of("stdout")),
    )
