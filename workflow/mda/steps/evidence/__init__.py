"""The steps of the tables of outcomes and effects: one function for each rule."""
