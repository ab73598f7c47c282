"""Routes in the shape of exo's API, so that scripts written for it keep working. Thin: each maps to one call of Node.

Field names follow exo: snake_case for requests and previews, camelCase inside instances. An instance here is always
a pipeline of llama.cpp RPC stages, so `sharding` is `Pipeline` and `instance_meta` is `LlamaRpc`; other values are
accepted and answered by the same placement.
"""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from app.node.node import Node
from app.schema.instance import InstanceStatus
from app.schema.model import ModelFile
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import InstanceId, ModelId, NodeId, Record

SHARDING = "Pipeline"
INSTANCE_META = "LlamaRpc"


class PlaceInstance(Record):
    """exo's request to place a model."""

    model_id: ModelId
    sharding: str = SHARDING
    instance_meta: str = INSTANCE_META
    min_nodes: Annotated[int, Field(ge=1, le=64)] = 1


def exo_routes(node: Node) -> APIRouter:
    """The routes over one node."""
    router = APIRouter(tags=["exo"])
    _add_reads(router, node)
    _add_instances(router, node)
    return router


def _add_reads(router: APIRouter, node: Node) -> None:
    @router.get("/node_id")
    async def node_id() -> NodeId:
        """This node's identity."""
        return node.status.node.id

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """Every readable model on this PC."""
        return {"object": "list", "data": [_card(model) for model in await node.models() if model.shape is not None]}

    @router.get("/state")
    async def state() -> dict[str, Any]:
        """The cluster as one document."""
        status = node.status
        reports = [node.report(), *(peer.report for peer in status.peers if peer.report is not None)]
        return {
            "instances": {each.id: _instance(each) for each in status.instances},
            "topology": {"nodes": [report.node.id for report in reports]},
            "nodeIdentities": {report.node.id: {"friendlyName": report.node.name} for report in reports},
            "nodeMemory": {
                report.node.id: {
                    "ramTotal": {"inBytes": report.hardware.ram_bytes},
                    "ramAvailable": {"inBytes": report.load.ram_free_bytes},
                }
                for report in reports
                if report.hardware is not None and report.load is not None
            },
            "lastEventAppliedIdx": status.seq,
        }


def _add_instances(router: APIRouter, node: Node) -> None:
    @router.get("/instance/previews")
    async def previews(model_id: ModelId) -> dict[str, Any]:
        """What one, two, ... PCs would each hold, or why not."""
        count = 1 + sum(peer.report is not None for peer in node.status.peers)
        answers = [await node.instances.plan(PlanRequest(model_id=model_id, pcs=pcs)) for pcs in range(1, count + 1)]
        return {"previews": [_preview(model_id, answer) for answer in answers]}

    @router.post("/place_instance")
    async def place(request: PlaceInstance) -> dict[str, Any]:
        """Plan and launch, without a wish for more PCs as the model ran last.

        Unlike exo's, it answers only after the placement is known to exist.
        """
        wanted = PlanRequest(model_id=request.model_id, min_pcs=request.min_nodes)
        as_last = request.min_nodes == 1
        instance_id, plan = await (node.load(request.model_id) if as_last else node.instances.place(wanted))
        model = await node.instances.model(plan.model_id)
        return {"message": "Command received.", "command_id": instance_id, "model_card": _card(model)}

    @router.get("/instance/{instance_id}")
    async def instance(instance_id: InstanceId) -> dict[str, Any]:
        """One instance."""
        return _instance(node.instances.instance(instance_id))

    @router.delete("/instance/{instance_id}")
    async def stop(instance_id: InstanceId) -> dict[str, Any]:
        """Stop an instance."""
        await node.instances.stop(instance_id)
        return {"message": "Command received.", "command_id": instance_id, "instance_id": instance_id}


def _card(model: ModelFile) -> dict[str, Any]:
    shape = model.shape
    return {
        "id": model.id,
        "object": "model",
        "created": int(model.modified),
        "owned_by": "caravan",
        "name": (shape.name if shape else None) or model.id,
        "context_length": shape.context_length if shape else None,
        "storage_size_megabytes": round(model.size_bytes / 1e6),
        "quantization": shape.quantization if shape else None,
        "family": shape.architecture if shape else None,
        "supports_tensor": False,
        "is_custom": True,
    }


def _preview(model_id: ModelId, answer: Plan | Refusal) -> dict[str, Any]:
    found = answer if isinstance(answer, Plan) else None
    refusal = answer if isinstance(answer, Refusal) else None
    return {
        "model_id": model_id,
        "sharding": SHARDING,
        "instance_meta": INSTANCE_META,
        "instance": {f"{INSTANCE_META}Instance": {"shardAssignments": _shards(found)}} if found else None,
        "memory_delta_by_node": _memory(found) if found else None,
        "error": refusal.sentence if refusal else None,
    }


def _instance(status: InstanceStatus) -> dict[str, Any]:
    return {
        f"{INSTANCE_META}Instance": {
            "instanceId": status.id,
            "shardAssignments": _shards(status.plan),
            "primaryNodeId": status.head,
            "state": status.state,
            "error": status.error.sentence if status.error else None,
        }
    }


def _shards(plan: Plan) -> dict[str, Any]:
    shards = {
        f"{stage.node[:8]}/{stage.device}": {
            "startLayer": stage.first_layer,
            "endLayer": stage.last_layer + 1,
            "nLayers": plan.layers,
        }
        for stage in plan.stages
    }
    nodes: dict[str, list[str]] = {}
    for stage in plan.stages:
        nodes.setdefault(stage.node, []).append(f"{stage.node[:8]}/{stage.device}")
    return {"modelId": plan.model_id, "runnerToShard": shards, "nodeToRunner": nodes}


def _memory(plan: Plan) -> dict[str, int]:
    totals = {plan.head: plan.head_ram_bytes}
    for stage in plan.stages:
        totals[stage.node] = totals.get(stage.node, 0) + stage.total_bytes
    totals[plan.head] += plan.encoder.total_bytes if plan.encoder is not None else 0
    return {str(name): size for name, size in totals.items()}
