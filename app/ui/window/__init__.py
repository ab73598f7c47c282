"""The main window: rail, pages, status strip."""
