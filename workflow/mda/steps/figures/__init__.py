"""The steps that draw figures: one function for each rule."""
