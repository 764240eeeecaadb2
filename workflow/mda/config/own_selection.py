"""What must hold of a selection of the user's own."""

from __future__ import annotations

from mda.config.experiment import Config, methods_used


def check(config: Config) -> None:
    """Check that there is a file if samples are selected by it.

    Raises:
        ValueError: one sentence, when something does not hold.
    """
    own, linearity = config.selection.own, config.studies.linearity
    if own is None:
        if "own" in methods_used(config) | set(linearity.selections if linearity is not None else []):
            raise ValueError("samples are selected by own, but selection.own names no file; name one")
    elif not own.is_file():
        raise ValueError(f"selection.own is {own}, but there is no such file")
