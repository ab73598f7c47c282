"""Two dialogs that make one cluster of two PCs: Invite shows a code, Join takes it."""
