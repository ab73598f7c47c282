"""Caravan on Windows programs, on Linux: a Debian 13 chroot with Wine 10, Windows Python, Windows llama.cpp.

`uv run python -m tests.windows.rig build` makes it, `test_*.py` use it, `inside/` is what Windows Python runs there.
"""
