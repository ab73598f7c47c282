"""PURE: what another quantization of a model weighs where, told from one whose header was read."""

from app.schema.model import ModelShape


def scaled_shape(known: ModelShape, factor: float, quantization: str | None) -> ModelShape:
    """The shape with all weights `factor` times as large; what does not depend on the quantization stays.

    Quantizations do not shrink all tensors alike, so this is an estimate: the sum is right, single layers are some per
    cent off.
    """

    def scaled(count: int) -> int:
        return round(count * factor)

    return known.model_copy(
        update={
            "quantization": quantization,
            "layer_bytes": tuple(map(scaled, known.layer_bytes)),
            "layer_expert_bytes": tuple(map(scaled, known.layer_expert_bytes)),
            "last_feed_forward_bytes": scaled(known.last_feed_forward_bytes),
            "embedding_bytes": scaled(known.embedding_bytes),
            "output_bytes": scaled(known.output_bytes),
            "other_bytes": scaled(known.other_bytes),
            "largest_tensor_bytes": scaled(known.largest_tensor_bytes),
        }
    )
