"""The steps of attribution: factors, scores and their merge: one function for each rule."""
