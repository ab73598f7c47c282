"""The peer link's byte pump: a process of its own, driven by the node over standard input and output."""
