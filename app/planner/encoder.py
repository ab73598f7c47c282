"""The picture encoder (mmproj) that a head loads beside the model: what it takes, and where it lies.

The engine puts it on one device of the head, weights and compute buffer together, and the layers get what is left.
"""

from dataclasses import dataclass

from app.planner.memory import F16_BYTES, F32_BYTES, MEBI
from app.schema.model import EncoderShape, Tower
from app.schema.plan import DeviceResources

UNTOLD_BYTES = 512 * MEBI
"""Compute buffer of an encoder whose header does not tell its widths: about the largest of those that were measured."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A picture encoder on a device of the head, in bytes: its weights and its compute buffer."""

    device: DeviceResources
    weights: int
    compute: int

    @property
    def total(self) -> int:
        """Both."""
        return self.weights + self.compute


def encoder_on(device: DeviceResources, shape: EncoderShape) -> Encoder:
    """A picture encoder on a device."""
    return Encoder(device, shape.weight_bytes, encoder_compute(shape))


def encoder_compute(shape: EncoderShape) -> int:
    """Bytes of the compute buffers of a projector file's encoders (formula: design.md, "Picture encoder")."""
    return UNTOLD_BYTES if shape.towers is None else sum(map(_compute, shape.towers))


def _compute(tower: Tower) -> int:
    forward = tower.feed_forward * (3 if tower.gated else 1)
    each = max(6 * tower.width, forward + 3 * tower.width) + tower.pixels
    mask = tower.patches * F16_BYTES
    if not tower.windowed:
        return tower.patches * each * F32_BYTES
    masked = tower.patches * (F32_BYTES + F16_BYTES) + (4 * tower.width + tower.pixels) * F32_BYTES
    return tower.patches * max(each * F32_BYTES + mask, masked)
