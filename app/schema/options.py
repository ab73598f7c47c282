"""How a node is started."""

from pathlib import Path

from app.schema.record import Record
from app.schema.settings import API_PORT, PAIR_PORT, PEER_PORT

NVML_ROLE = "nvml-child"
"""First argument of the short-lived child that asks the NVIDIA driver: a broken driver may take it down, not us."""

TUNNEL_ROLE = "tunnel"
"""First argument of the process that carries the peer link's bytes."""

ELEVATED_ROLE = "elevated"
"""First argument of the short-lived helper with administrator rights; a fixed verb follows."""


class NodeOptions(Record):
    """The options of `caravan node`. Port 0 takes any free one.

    `hosts` are the addresses of this PC on which peers are heard; empty means those of all real network adapters, as
    they come and go, with discovery. Named ones are for several nodes on one PC: discovery is off then. `measure` lets
    the node measure its devices' speed when nothing else happens.
    """

    data_dir: Path | None = None
    api_port: int = API_PORT
    peer_port: int = PEER_PORT
    pair_port: int = PAIR_PORT
    hosts: tuple[str, ...] = ()
    measure: bool = True
    verbose: bool = False
