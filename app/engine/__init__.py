"""llama.cpp builds: find, probe, command lines, output lines, the RPC hello."""
