"""Peers: who is there, how they answer, and the link to them."""
