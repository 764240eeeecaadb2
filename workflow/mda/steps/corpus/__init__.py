"""The steps of this stage: one function a rule."""
