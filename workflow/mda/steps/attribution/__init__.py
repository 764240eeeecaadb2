"""The steps of attribution (factors, scores, their merge): one function for each rule."""
