"""The composition root of the node. May import everything but the command line and the desktop."""
