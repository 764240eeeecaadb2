"""Which controls there are. A module of its own, for each job of a cluster reads it: it imports nothing."""

# Methods of selection whose scores are a table of their own.
CONTROLS = ("repetition", "bigram", "compressibility", "bm25", "gradient_norm")
