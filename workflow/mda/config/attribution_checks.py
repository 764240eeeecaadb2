"""What must hold between the section `attribution` and the others, of stored gradients."""

from __future__ import annotations

from mda.config.experiment import Config


def check(config: Config) -> None:
    """Refuse stored gradients where they are no use.

    Raises:
        ValueError: one sentence that says what is wrong.
    """
    if config.attribution.stored_gradients is None:
        return
    if config.trace is None:
        raise ValueError(
            "attribution.stored_gradients is for a trace: trainings cost far more than a pass over their "
            "samples; set it to null"
        )
    strategy = config.attribution.fit.strategy
    if strategy != "ekfac":
        raise ValueError(
            "attribution.stored_gradients needs attribution.fit.strategy ekfac, whose eigenvalues say what "
            f"to store, but it is {strategy}; set one of them, or stored_gradients to null"
        )
