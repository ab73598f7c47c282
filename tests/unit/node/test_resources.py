"""What the planner is told of one model: parts of that model only, and nothing of a PC that tells nothing."""

from app.node.resources import with_model
from app.schema.model import ModelFile, ModelPart
from app.schema.node import PeerReport
from app.schema.record import ModelId, NodeId
from tests.unit.planner.samples import GIB, cluster, cpu, node


def part(model: str, size: int) -> ModelPart:
    return ModelPart(
        model_id=ModelId(model), model_bytes=size, first_layer=0, last_layer=1, holds_output=True, large_bytes=7
    )


def test_only_parts_of_the_model_in_question_count() -> None:
    view = cluster(*(node(name, cpu(GIB)) for name in ("DESK", "ATTIC", "BARN", "OLD")))
    camel = ModelFile(id=ModelId("camel"), path="c", folder="f", size_bytes=10, modified=0.0, parts=("c",))
    kept = {
        NodeId("desk"): (part("donkey", 10), part("camel", 11)),
        NodeId("attic"): (part("donkey", 10), part("camel", 10)),
        NodeId("barn"): None,
    }
    seen = with_model(view, camel, kept, {NodeId("desk")})
    assert [each.kept for each in seen.nodes] == [(), (part("camel", 10),), None, None]
    assert [each.has_in_ram for each in seen.nodes] == [True, False, False, False]


def test_a_node_of_an_older_version_tells_nothing() -> None:
    told = PeerReport.model_validate({"node": {"id": "a", "name": "A", "version": "0.1", "started_at": 1.0}})
    assert told.kept is None
