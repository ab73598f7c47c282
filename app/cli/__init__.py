"""The command line, a client of the node's API."""
