"""The only room that knows the operating system: paths, logs, child processes, locks."""
