"""Where time and memory go, measured on this machine: what `mda bench` runs."""
