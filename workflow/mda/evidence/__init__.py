"""Effects of interventions, their statistics, and verdicts on published findings."""
