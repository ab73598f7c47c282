"""A question to the planner about PCs that need not be there."""

from app.schema.plan import ClusterView, PlanRequest
from app.schema.record import Record


class PlanQuestion(Record):
    """Where a model would run. `cluster` describes the PCs to ask about; None means the PCs of this cluster.

    The model's own file must be known to the node that is asked: its header is what counts.
    """

    request: PlanRequest
    cluster: ClusterView | None = None
