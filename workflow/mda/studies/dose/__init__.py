"""How does the effect grow with the share of samples, and which is the smallest share that has one?"""
