"""The steps of selections and changed streams: one function for each rule."""
