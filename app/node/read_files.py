"""Which model files this PC's RAM may still hold, so that the next launch need not wait for the disk."""

from app.schema.record import ModelId


class ReadFiles:
    """The files that launches on this PC read, in their order.

    Every launch reads its file whole. What was read first is dropped first when RAM is needed, so a file counts as
    there while it and all that was read since fit the RAM that is free, in which the system counts what it holds of
    files. No system tells it for certain.
    """

    def __init__(self) -> None:
        self._sizes: dict[ModelId, int] = {}

    def read(self, model: ModelId, size: int) -> None:
        """A launch read this model, of so many bytes."""
        self._sizes.pop(model, None)
        self._sizes[model] = size

    def has(self, model: ModelId, free_bytes: int) -> bool:
        """Whether it may still be there, with so much RAM free."""
        since = 0
        for name, size in reversed(self._sizes.items()):
            since += size
            if name == model:
                return since <= free_bytes
        return False
