"""The steps that download from the hub: one function for each rule."""
