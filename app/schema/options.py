"""How a node is started."""

from pathlib import Path

from app.schema.record import Record
from app.schema.settings import API_PORT

NVML_ROLE = "nvml-child"
"""First argument of the short-lived child that asks the NVIDIA driver: a broken driver may take it down, not us."""

TUNNEL_ROLE = "tunnel"
"""First argument of the process that carries the peer link's bytes."""


class NodeOptions(Record):
    """The options of `caravan node`. Port 0 takes any free one; `peer_port` None means no peer listener.

    `peers` are `127.0.0.1:PORT` of peer listeners on this PC that share this node's cluster key.
    """

    data_dir: Path | None = None
    api_port: int = API_PORT
    peer_port: int | None = None
    peers: tuple[str, ...] = ()
    verbose: bool = False
