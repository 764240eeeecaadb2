"""What must hold between the section `trajectory` and the others."""

from __future__ import annotations

from mda.config.experiment import Config, methods_used
from mda.config.trajectory_section import OVER_HEADS, Trajectory
from mda.config.unit_sections import CLASS_METRICS

# Methods of selection that read walks back through trainings.
WALKED = ("trajectory", "history")


def check(config: Config) -> None:
    """Check the section, and the selections that need it.

    Raises:
        ValueError: one sentence, when something does not hold.
    """
    _check_sanity(config)
    methods, walks = methods_used(config) & set(WALKED), config.trajectory
    if walks is None:
        if config.studies.linearity is not None:
            raise ValueError(
                "studies.linearity needs the section trajectory; add it, or set linearity to null"
            )
        if methods:
            raise ValueError(f"samples are selected by {min(methods)}, which needs the section trajectory")
        return
    if config.trace is not None:
        raise ValueError("trajectory follows a training, but with trace nothing is trained; set it to null")
    _check_outcomes(config, walks)
    if config.studies.linearity is not None:
        _check_linearity(config, walks)
        # In the orders that are walked through, so that each has its own scores.
        _check_selections(config, walks, set(WALKED) & set(config.studies.linearity.selections))
    _check_selections(config, walks, methods)
    seeds = [*config.experiments.seeds, *(config.studies.seeds or [])]
    missing = [seed for seed in seeds if seed not in walks.orders]
    if "trajectory" in methods and missing:
        raise ValueError(
            "the selection 'trajectory' is of each run's own order, but trajectory.orders lacks the seed "
            f"{missing[0]}; add it"
        )


def _check_outcomes(config: Config, walks: Trajectory) -> None:
    """That every outcome can be measured."""
    targets = {target.name: target for target in config.targets}
    for outcome in walks.outcomes:
        where = f"trajectory.outcomes.{outcome.name}"
        if outcome.step is not None:
            _check_step(config, where, outcome.step)
        if outcome.target is None:
            continue
        if outcome.target not in targets:
            raise ValueError(
                f"{where}.target is '{outcome.target}', but targets has only {', '.join(targets)}"
            )
        target = targets[outcome.target]
        if outcome.measure == "metric" and target.metric == "probe":
            raise ValueError(f"{where}: the metric of {target.name} is its probe; set measure to probe")
        if outcome.measure in OVER_HEADS and target.metric not in CLASS_METRICS:
            raise ValueError(
                f"{where}: {outcome.measure} is over all heads of the model, of the metrics "
                f"{' and '.join(CLASS_METRICS)}, but that of {target.name} is {target.metric}; "
                "set measure to metric"
            )


def _check_step(config: Config, where: str, step: int) -> None:
    """That branches are evaluated at the step."""
    start, stop, every = config.run.window.origin, config.run.window.stop, config.run.evaluate_every
    if step != stop and step not in range(start + every, stop, every):
        raise ValueError(
            f"{where}.step is {step}, but the trainings of trajectory begin at step {start}, and are "
            f"evaluated every {every} steps from there, and at step {stop}; take one of these after the first"
        )


def _check_sanity(config: Config) -> None:
    """That the study's walks fit the window."""
    study, window = config.studies.sanity, config.run.window
    if study is None or study.updates is None:
        return
    most = window.stop - window.origin - 1
    if study.updates > most:
        raise ValueError(
            f"studies.sanity.updates is {study.updates}, but one step less than run.window has is {most}; "
            "lower it"
        )


def _check_linearity(config: Config, walks: Trajectory) -> None:
    """That the study has orders, and something to compare."""
    if not walks.orders:
        raise ValueError(
            "studies.linearity trains the orders of trajectory again; give trajectory.orders some"
        )
    if not any(outcome.measure in ("metric", *OVER_HEADS) for outcome in walks.outcomes):
        raise ValueError(
            "studies.linearity compares metrics; give trajectory.outcomes one whose measure is metric"
        )


def _check_selections(config: Config, walks: Trajectory, methods: set[str]) -> None:
    """That there are scores to select by."""
    if not methods:
        return
    for target in config.targets:
        if walks.outcome_of(target.name) is None:
            raise ValueError(
                f"samples are selected by {' and '.join(sorted(methods))}, but trajectory.outcomes has none "
                f"of the target {target.name}; add one"
            )
    if "history" in methods and len(walks.orders) < 2:
        raise ValueError("the selection 'history' is a mean over orders; give trajectory.orders two or more")
