"""PURE: where a person may be sent."""

from enum import StrEnum


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
