"""What figures and findings call the outcomes of a run."""

OUTCOME_NAMES = {
    "formation_step": "formation step",
    "score_area": "mean metric",
    "score_final": "final metric",
    "sum_formation_step": "formation step of the sum",
    "sum_area": "mean sum over heads",
    "sum_final": "final sum over heads",
    "icl_area": "mean ICL score",
    "icl_final": "final ICL score",
    "held_out_area": "mean held-out loss",
    "held_out_final": "final held-out loss",
}
