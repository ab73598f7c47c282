"""Where a running node listens, as it writes it for its own clients."""

from app.schema.record import NodeId, Record


class Endpoint(Record):
    """The content of `node.json`."""

    node: NodeId
    name: str
    pid: int
    api_port: int

    @property
    def api_url(self) -> str:
        """The base address of the local API."""
        return f"http://127.0.0.1:{self.api_port}"
