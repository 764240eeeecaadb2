"""How much of the influence do the top samples have?"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from mda import agreement, cli, files, selection

RESAMPLES = 999


def table(scores: Path, fraction: float, seed: int, confidence: float, out: Path) -> None:
    """Write `out`: target, samples, share (of the positive influence in the top fraction), its interval.

    The interval is a percentile bootstrap over samples; excess_kurtosis is that of all influence.
    """
    lines = []
    for target, mine in agreement.read(scores).items():
        values = mine["influence"].to_numpy(float)
        generator = np.random.default_rng([seed, 9])
        draws = [share(generator.choice(values, len(values)), fraction) for _ in range(RESAMPLES)]
        low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        lines.append(
            {
                "target": target,
                "samples": len(values),
                "share": share(values, fraction),
                "share_low": low,
                "share_high": high,
                "excess_kurtosis": float(stats.kurtosis(values)),
            }
        )
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


def share(values: np.ndarray, fraction: float) -> float:
    """Share of the positive sum that the highest values have."""
    number = selection.count(len(values), fraction)
    positive = values.clip(min=0)
    return float(positive[agreement.top(values, number)].sum() / max(positive.sum(), np.finfo(float).tiny))


if __name__ == "__main__":
    cli.run(table)
