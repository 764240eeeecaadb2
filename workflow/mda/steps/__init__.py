"""The steps: one function for each rule; `python -m mda.steps.NAME` runs it from the command line."""
