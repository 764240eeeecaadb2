"""The steps of the corpus and its tokens: one function for each rule."""
