"""Corpora that were published as tokens, in the order of a published run."""
