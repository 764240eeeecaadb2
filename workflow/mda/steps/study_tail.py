"""How much of the influence do the top samples have?"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from mda import agreement, cli, files, selection

RESAMPLES = 999


def table(scores: Path, fraction: float, seed: int, confidence: float, out: Path) -> None:
    """Write `out`: target, samples, share (of the positive influence in the top fraction), its interval.

    `normal` is the share that normally distributed scores of the same mean and spread have, `excess` by how
    much more it is. Intervals are percentile bootstraps over samples; excess_kurtosis is of all influence.
    """
    lines = []
    for target, mine in agreement.read(scores).items():
        values = mine["influence"].to_numpy(float)
        generator = np.random.default_rng([seed, 9])
        draws = [shares(generator.choice(values, len(values)), fraction) for _ in range(RESAMPLES)]
        ends = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        (low, _, excess_low), (high, _, excess_high) = ends
        found, normal, excess = shares(values, fraction)
        lines.append(
            {
                "target": target,
                "samples": len(values),
                "share": found,
                "share_low": low,
                "share_high": high,
                "normal": normal,
                "excess": excess,
                "excess_low": excess_low,
                "excess_high": excess_high,
                "excess_kurtosis": float(stats.kurtosis(values)),
            }
        )
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


def shares(values: np.ndarray, fraction: float) -> tuple[float, float, float]:
    """`share`, that of a normal distribution of the same mean and spread, and the difference."""
    found, normal = share(values, fraction), normal_share(values.mean(), values.std(), fraction)
    return found, normal, found - normal


def normal_share(mean: float, spread: float, fraction: float) -> float:
    """Share of the positive sum that the highest values of a normal distribution have.

    The mean above a bound is mean x sf + spread x pdf (of the truncated normal), both at the bound.
    """

    def above(bound: float) -> float:
        return mean * stats.norm.sf(bound) + spread * stats.norm.pdf(bound)

    zero = -mean / spread
    return float(above(max(stats.norm.isf(fraction), zero)) / above(zero))


def share(values: np.ndarray, fraction: float) -> float:
    """Share of the positive sum that the highest values have."""
    number = selection.count(len(values), fraction)
    positive = values.clip(min=0)
    return float(positive[agreement.top(values, number)].sum() / max(positive.sum(), np.finfo(float).tiny))


if __name__ == "__main__":
    cli.run(table)
