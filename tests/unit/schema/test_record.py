"""What a record holds can cross every boundary."""

import pytest
from pydantic import ValidationError

from app.schema.node import HealthWarning, NodeInfo
from app.schema.record import NodeId


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb"])
def test_half_a_character_is_refused_where_it_enters(text: str) -> None:
    """JSON cannot carry it: one such name would break every later answer that holds it."""
    with pytest.raises(ValidationError):
        NodeInfo(id=NodeId("0"), name=text, version="1", started_at=0.0)


def test_every_whole_character_passes() -> None:
    text = "模型 🐪 \u202e \x00"
    warning = HealthWarning(code="x", sentence=text)
    assert HealthWarning.model_validate_json(warning.model_dump_json()).sentence == text
