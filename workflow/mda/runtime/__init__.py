"""How a step runs: its command line, files that are whole or not there, fingerprints, GPUs, restart."""
