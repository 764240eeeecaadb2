"""Mechanistic data attribution: which training samples formed this part of the model?

Data flows one way through the modules:
corpus, tokens, model, training, heads, influence, selection, schedule, evidence, plots.
No module knows of Snakemake; `mda.steps` holds one function a rule.
"""

__version__ = "0.1.0"
