"""Where time and memory go, measured on this machine: see `workflow/benchmark.py`."""
