"""Mechanistic data attribution: which training samples formed this part of the model?

The folders are stages. Each imports only from itself and from those before it in this list:
runtime, config, hub, corpus, planning, models, training, attribution, interventions, evidence, figures,
studies, report.
Beyond the stages: `mda.steps` holds one function for each rule, in folders of the same names;
`mda.snakemake` extends Snakemake, of which no other module knows; `mda.bench` measures time and memory;
`mda.commands` holds the verbs of the command `mda`.
"""

__version__ = "0.2.0"
