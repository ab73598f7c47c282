"""The base of every boundary record, and the small types shared by all of them."""

from typing import Annotated, NewType

from pydantic import BaseModel, ConfigDict, Field

NodeId = NewType("NodeId", str)
"""Identity of a node: lower-case hex SHA-256 of its certificate."""

InstanceId = NewType("InstanceId", str)
"""Identity of one running model, unique over the cluster."""

ModelId = NewType("ModelId", str)
"""Stable name of a model file on one node: its file name without `.gguf`, made unique when two clash."""

Bytes = Annotated[int, Field(ge=0)]
"""A count of bytes, never negative."""


TEXT_LIMIT = 1 << 22
"""Most characters of one text. Having a limit also makes pydantic refuse half a character, which JSON cannot carry."""


class Record(BaseModel):
    """A frozen, typed value. Unknown fields from a newer peer are ignored; an unknown fact is None."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null", str_max_length=TEXT_LIMIT)
