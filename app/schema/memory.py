"""What the engine's own projection of memory taught."""

from app.schema.record import Bytes, ModelId, Record


class MemoryExcess(Record):
    """By how many bytes more than planned a device needs for a model, by the word of one engine build.

    The largest over the devices and launches; the model is told by its id and size. `changed_at` is seconds since the
    epoch.
    """

    model_id: ModelId
    model_bytes: Bytes
    build: str
    beyond_bytes: Bytes
    changed_at: float = 0.0


class MemoryBook(Record):
    """The file of what projections taught."""

    excesses: tuple[MemoryExcess, ...] = ()
