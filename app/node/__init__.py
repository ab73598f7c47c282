"""The node itself: bus, state, settings, the facade."""
