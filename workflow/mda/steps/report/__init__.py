"""The steps of the report and its pages: one function for each rule."""
