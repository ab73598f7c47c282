"""Frozen records that cross a boundary between rooms, processes or PCs. Imports nothing of ours."""
