"""What must hold between the section `attribution` and the others, of stored gradients."""

from __future__ import annotations

from mda.config.experiment import Config


def check(config: Config) -> None:
    """Refuse stored gradients with a curvature that they cannot have.

    Raises:
        ValueError: one sentence that says what is wrong.
    """
    if config.attribution.stored_gradients is None:
        return
    strategy = config.attribution.fit.strategy
    if strategy != "ekfac":
        raise ValueError(
            "attribution.stored_gradients needs attribution.fit.strategy ekfac, whose eigenvalues say what "
            f"to store, but it is {strategy}; set one of them, or stored_gradients to null"
        )
    if config.studies.curvature is not None:
        raise ValueError(
            "studies.curvature compares curvatures, of which gradients are stored for one; set it or "
            "attribution.stored_gradients to null"
        )
