"""The steps of models, heads and units: one function for each rule."""
