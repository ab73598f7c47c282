"""From a checkout to the Windows installer; `python -m installer.build` does it all. Nothing here ships."""
