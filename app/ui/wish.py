"""PURE: where a person may be sent."""

from enum import StrEnum

FIND = "find:"
"""Before what is to be looked for, in what `Wish.MODELS` is about. No model's id has a colon on Windows."""


NEW_CHAT = "new"
"""What the chat is told for Ctrl+N: begin another chat."""


LEAVE = "leave"
"""What the cluster's page is told to ask whether this PC shall leave."""


class Wish(StrEnum):
    """A page or a dialog."""

    CHAT = "chat"
    MODELS = "models"
    CLUSTER = "cluster"
    SETTINGS = "settings"
    INVITE = "invite"
    JOIN = "join"
    LOGS = "logs"
    START_NODE = "start_node"
    QUIT = "quit"
