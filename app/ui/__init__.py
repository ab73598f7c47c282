"""The tray: a client of its own PC's node. Nothing else in the program imports Qt."""
