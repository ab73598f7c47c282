"""PURE: watch the client's direction of llama.cpp's RPC and say when a command must not pass.

Wire format: command (1 byte), size of the payload (8 bytes, little-endian), payload. Commands up to 17 exist in b11434;
b11549 adds 18 and 19 (tensors in two dimensions) and 20 to 22 (COMM_INIT, COMM_ALLREDUCE, COMM_FREE: they make an
rpc-server listen on every address, or connect to any; llama.cpp PR #26610). A number we do not know does not pass.
"""

from typing import Final

COMMANDS: Final = 20
"""Commands 0 to 19 pass."""

HEADER_BYTES: Final = 9

GRAPH_LIMIT: Final = 1 << 30
TENSOR_LIMIT: Final = 1 << 40
SMALL_LIMIT: Final = 1 << 16
TENSOR_MARGIN: Final = 1 << 16
"""Bytes of a tensor's description beside its data."""

_SET_TENSOR, _GRAPH_COMPUTE, _SET_TENSOR_2D = 6, 10, 18


class RpcFrames:
    """The framing of one client's stream; it keeps no payload.

    `largest_bytes` bounds the data of one tensor; rpc-server reserves what a header announces before it arrives.
    """

    def __init__(self, largest_bytes: int | None = None) -> None:
        tensor = TENSOR_LIMIT if largest_bytes is None else min(largest_bytes, TENSOR_LIMIT) + TENSOR_MARGIN
        self._limits = [SMALL_LIMIT] * COMMANDS
        self._limits[_SET_TENSOR] = self._limits[_SET_TENSOR_2D] = tensor
        self._limits[_GRAPH_COMPUTE] = GRAPH_LIMIT
        self._skip = 0
        self._header = bytearray()

    def feed(self, data: bytes) -> str | None:
        """Look at the next bytes. A text says why the stream must end; nothing of `data` may pass then."""
        position, end = 0, len(data)
        while position < end:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
                position += step
                continue
            taken = data[position : position + HEADER_BYTES - len(self._header)]
            self._header += taken
            position += len(taken)
            if problem := self._judge():
                return problem
        return None

    def _judge(self) -> str | None:
        header = self._header
        command = header[0]
        if command >= COMMANDS:
            return f"command {command} is not allowed"
        if len(header) == HEADER_BYTES:
            self._skip = int.from_bytes(header[1:], "little")
            header.clear()
            if self._skip > self._limits[command]:
                return f"command {command} announces {self._skip} bytes"
        return None
