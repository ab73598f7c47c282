"""What the user may set. Every field has a working default."""

from typing import Annotated

from pydantic import Field

from app.schema.record import Record

API_PORT = 52415
PEER_PORT = 52416
PAIR_PORT = 52417

READ_AT_START = frozenset({"name", "model_folders", "use_known_folders", "engine_path"})
"""Settings that count after the node has started again."""


class Settings(Record):
    """The user's settings of one node, kept in `settings.json`.

    `name` None means the computer's name. `model_folders` come before the well-known ones of other programs, which
    `use_known_folders` turns off. `engine_path` is a llama-server or the folder that holds it. `extra_arguments` go to
    every llama-server this node starts, one list item per argument. `sharing` False refuses new leases.
    `cpu_threads` None lets the engine choose. `release_mirror` is the address of a stand-in for GitHub's release API,
    https unless it is on this PC. `engine_cache` keeps weights that workers were sent on this PC's disk;
    turned off, they are removed. `hub_mirror` is the address of a stand-in for huggingface.co, https unless it is on
    this PC.

    `unload_after` is how many minutes a model whose head this PC is may wait for a question before it is unloaded, None
    for ever: nobody likes to find a model gone that took minutes to load. `load_on_request` starts a model that a
    program asks for by name; `make_room` lets that unload models that nobody is using, when it does not fit beside
    them. `load_at_start` launches the model that ran last when the node starts.
    """

    name: Annotated[str, Field(max_length=60)] | None = None
    model_folders: tuple[str, ...] = ()
    use_known_folders: bool = True
    engine_path: str | None = None
    extra_arguments: tuple[str, ...] = ()
    sharing: bool = True
    cpu_threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    release_mirror: Annotated[str, Field(max_length=500)] | None = None
    hub_mirror: Annotated[str, Field(max_length=500)] | None = None
    engine_cache: bool = True
    unload_after: Annotated[float, Field(ge=0.01, le=10_080)] | None = None
    load_on_request: bool = True
    make_room: bool = False
    load_at_start: bool = False
