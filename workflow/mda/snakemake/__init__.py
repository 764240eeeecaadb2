"""What extends Snakemake: its judgement of which results are current, and what it shows of a run."""
