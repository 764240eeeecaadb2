"""The steps of the base run and the retrainings: one function for each rule."""
