"""Mechanistic data attribution: which training samples formed this part of the model?

The folders are stages. Each imports only from itself and from those before it in this list:
runtime, config, hub, corpus, planning, models, training, attribution, interventions, evidence, report.
No module knows of Snakemake; `mda.steps` holds one function a rule, in folders of the same names.
"""

__version__ = "0.1.0"
