"""Where other programs keep their GGUF files."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def default_folders(home: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The model folders of LM Studio, Hugging Face, llama.cpp and Ollama that exist, each once, in this order.

    `home` is the user's home folder; `environment` the variables that move these folders (`HF_HOME`, `HF_HUB_CACHE`,
    `LLAMA_CACHE`, `OLLAMA_MODELS`, `LOCALAPPDATA`, `XDG_CACHE_HOME`).
    """
    cache = _given(home, environment, "XDG_CACHE_HOME") or home / ".cache"
    candidates = (
        home / ".lmstudio" / "models",
        home / ".cache" / "lm-studio" / "models",
        _hugging_face(home, cache, environment),
        *_llama_cpp(home, cache, environment),
        _given(home, environment, "OLLAMA_MODELS") or home / ".ollama" / "models",
    )
    return _existing(candidates)


def _hugging_face(home: Path, cache: Path, environment: Mapping[str, str]) -> Path:
    hub = _given(home, environment, "HF_HUB_CACHE") or _given(home, environment, "HUGGINGFACE_HUB_CACHE")
    if hub is not None:
        return hub
    return (_given(home, environment, "HF_HOME") or cache / "huggingface") / "hub"


def _llama_cpp(home: Path, cache: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    moved = _given(home, environment, "LLAMA_CACHE")
    if moved is not None:
        return (moved,)
    local = _given(home, environment, "LOCALAPPDATA")
    places = (cache / "llama.cpp", home / "Library" / "Caches" / "llama.cpp")
    return (local / "llama.cpp", *places) if local else places


def _given(home: Path, environment: Mapping[str, str], name: str) -> Path | None:
    """The folder an environment variable names; None when it is unset, empty or not absolute."""
    value = environment.get(name, "").strip().strip('"')
    if value.startswith(("~/", "~\\")):
        return home / value[2:]
    return Path(value) if value and Path(value).is_absolute() else None


def _existing(candidates: Iterable[Path]) -> tuple[Path, ...]:
    found: dict[str, Path] = {}
    for folder in candidates:
        if os.path.isdir(folder):
            found.setdefault(os.path.normcase(os.path.realpath(folder)), folder)
    return tuple(found.values())
