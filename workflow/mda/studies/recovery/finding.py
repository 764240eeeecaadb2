"""Finding: samples that are catalysts by construction have more influence."""

from __future__ import annotations

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import measured


def recovered(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Of the corpora of known catalysts the one where they are found worst, among all samples and decoys.

    And the top has more of them, in each. Where no head forms within the run, nothing made one: those
    corpora are in the table, and not judged.
    """
    table = tables.get("recovery")
    if table is None:
        return None
    mine = table[(table["method"] == "influence") & table["formed"] & table["auroc"].notna()]
    if mine.empty:
        return unknown("no head forms in any of the corpora, or the scores rank nothing", possible=False)
    line = mine.loc[mine["auroc"].idxmin()]
    decoys = mine["decoys_auroc"].notna().all()
    top = mine.loc[(mine["precision"] / mine["rate"]).idxmin()]
    number, among = mine["experiment"].nunique(), table["experiment"].nunique()
    note = (
        f"lowest where a head forms ({number} of {among} corpora): "
        f"{line['experiment']}; fewest in the top, "
        "{:.0f} % [{:.0f}, {:.0f}] where {:.0f} % of all are catalysts: {}".format(
            *(100 * top[name] for name in ("precision", "precision_low", "precision_high", "rate")),
            top["experiment"],
        )
    )
    asked = [("auroc", 0.5), ("precision", mine["rate"])]
    if decoys:
        asked.append(("decoys_auroc", 0.5))
        worst = mine.loc[mine["decoys_auroc"].idxmin()]
        note += "; from decoys alone {:.2f} [{:.2f}, {:.2f}] in {}".format(
            *(worst[f"decoys_auroc{end}"] for end in ("", "_low", "_high")), worst["experiment"]
        )
    holds: bool | None = all((mine[f"{name}_low"] > chance).all() for name, chance in asked)
    if not holds and not any((mine[f"{name}_high"] <= chance).any() for name, chance in asked):
        holds, note = None, f"{note}; too few samples to tell all of this from chance"
    return measured(line, "auroc", holds, int(line["samples"]), "AUROC", note=note)


FINDING = Finding(
    "recovery", "Samples that are catalysts by construction have more influence than the others", "",
    "recovery", recovered,
)  # fmt: skip
