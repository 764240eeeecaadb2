"""The steps of the studies: one function for each rule."""
