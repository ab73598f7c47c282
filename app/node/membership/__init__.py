"""How PCs become, stay and cease to be one cluster: pairing over the network, and the list of members kept alike."""
