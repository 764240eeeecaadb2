"""The steps that check the configuration: one function for each rule."""
