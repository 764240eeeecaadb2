"""Rank the heads, and find the units of every target."""

from pathlib import Path

from mda.models import units
from mda.models.units import Head
from mda.runtime import cli, files


def find(scores: Path, rank_at: int, targets: dict[str, list[str]], out: Path, out_ranking: Path) -> None:
    """Write the targets' units (`out`, JSON) and the ranking they come from (`out_ranking`, CSV).

    Ranks are taken at checkpoint `rank_at`, by prefix-matching score for 'induction',
    previous-token score for 'previous-token' and copying log-probability for 'copying'.
    """
    by_metric = units.read_scores(scores, rank_at)
    found = {}
    for name, wanted in targets.items():
        places = units.resolve(wanted, by_metric)
        found[name] = {
            "units": [str(unit) for unit in places],
            "asked": wanted,
            "scores": {
                str(unit): {metric: by_metric[metric][unit] for metric in by_metric}
                for unit in places
                if isinstance(unit, Head)
            },
        }
    files.write_json(out, {"targets": found, "rank_at": rank_at})
    lines = ["kind,rank,head,score"]
    for kind, metric in units.RANKED_BY.items():
        for rank, head in enumerate(units.ranking(by_metric[metric]), start=1):
            lines.append(f"{kind},{rank},{head},{by_metric[metric][head]:.6f}")
    files.write_text(out_ranking, "\n".join(lines) + "\n")


if __name__ == "__main__":
    cli.run(find)
