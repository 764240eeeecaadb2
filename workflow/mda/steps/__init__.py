"""One typed function a rule; `python -m mda.steps.NAME` runs it from the command line."""
