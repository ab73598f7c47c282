"""The largest contexts as they reach a person: `caravan plan` and the node's API, about PCs that a file describes."""

import asyncio
import json
from pathlib import Path

from app.cli.cluster_file import read_cluster
from app.cli.words import number
from app.client import NodeClient
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.question import PlanQuestion
from app.schema.record import ModelId
from app.system.paths import Paths
from tests.contract.programs import caravan, caravan_json, start_node, windows_lacks
from tests.contract.sparse_models import SparseModel

WIDTH, BLOCKS, TRAINED = 4096, 32, 131072


def write_model(folder: Path) -> None:
    """A model of 8 GB whose cache takes 512 KiB per token."""
    folder.mkdir(parents=True)
    keys = {"attention__head_count": 32, "attention__head_count_kv": 32, "attention__layer_norm_rms_epsilon": 1e-5}
    sizes = {"block_count": BLOCKS, "context_length": TRAINED, "embedding_length": WIDTH, "feed_forward_length": 11008}
    model = SparseModel(folder / "tale.gguf", "llama", **sizes, **keys)
    model.ends(WIDTH)
    for block in range(BLOCKS):
        model.attention(block, WIDTH, WIDTH, WIDTH)
        model.dense(block, WIDTH, 11008)
    model.close()


def write_cluster(file: Path) -> None:
    """A PC of 12 GB that has the model, one of 24 GB."""
    card = {"device": "CUDA0", "bandwidth": "300 GB/s", "compute": "20 TFLOP/s"}
    pcs = [
        {"name": "WORKSHOP", "holds_model": True, "devices": [card | {"total": "12 GB"}]},
        {"name": "LIVING ROOM", "devices": [card | {"total": "24 GB"}]},
    ]
    file.write_text(json.dumps({"pcs": pcs}), "utf-8")


@windows_lacks("no sparse files")
async def test_what_is_told_can_be_asked_for_and_more_cannot(tmp_path: Path) -> None:
    data, described = tmp_path / "Jörg 测试", tmp_path / "cluster.json"
    await asyncio.to_thread(write_model, data / "models")
    write_cluster(described)
    (data / "settings.json").write_text('{"use_known_folders": false}', "utf-8")
    node = await start_node(data)
    try:
        ask = ("plan", "tale", "--cluster", str(described))
        found = Plan.model_validate(await caravan_json(*ask, data_dir=data))
        alone, two = (each.largest_context for each in found.alternatives)
        assert found.pcs == 1
        assert alone == found.largest_context_in_place
        assert two == found.largest_context
        assert 4096 < (alone or 0) < (two or 0) < TRAINED
        text = (await caravan(*ask, data_dir=data)).stdout
        assert f"Context: up to {number(two)} tokens fit, up to {number(alone)} on these devices." in text
        async with NodeClient(Paths.under(data)) as client:
            for context in (two or 0, (two or 0) + 256):
                question = PlanQuestion(
                    request=PlanRequest(model_id=ModelId("tale"), context=context), cluster=read_cluster(described)
                )
                answer = await client.plan_for(question)
                assert isinstance(answer, Plan) == (context == two)
            assert isinstance(answer, Refusal)
            assert (answer.largest_context, answer.alternatives[0].largest_context) == (two, alone)
    finally:
        await node.stop()
