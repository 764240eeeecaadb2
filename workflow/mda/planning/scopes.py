"""The folders of effects: `tables` (of the configured interventions), `evidence` (of the studies' runs)."""

# Studies that read the outcomes of runs alone, so that each of these folders has a table of its own runs.
OF_EACH_SCOPE = ("controls", "coupling")
