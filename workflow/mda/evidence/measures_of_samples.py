"""Measures of a finding on scores and samples: no run is trained again for them."""

from __future__ import annotations

import numpy as np

from mda.evidence.measured import Measured, Settings, Tables, line_of, measured


def tail(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The share of the positive influence that the top 10 % of the samples have."""
    line = line_of(tables, "tail", target=target)
    if line is None or np.isnan(line["excess_low"]):
        return None
    note = f"of scores that are normal within each label it is {100 * line['normal']:.3g} %"
    holds = bool(line["excess_low"] > 0)
    return Measured(
        100 * line["share"], 100 * line["share_low"], 100 * line["share_high"], holds,
        int(line["samples"]), "% of positive influence", note=note,
    )  # fmt: skip


def repetitive(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Whether proponents have more repeated bigrams than samples at random."""
    line = line_of(tables, "enrichment", target=target, side="proponents", name="repeated bigrams")
    if line is None:
        return None
    holds: bool | None = bool(line["auroc_low"] > 0.5 and line["q"] < 1 - settings.confidence)
    note = ""
    if line["auroc_low"] == line["auroc_high"] == 0.5:
        holds, note = None, "all samples have as many"
    return measured(line, "auroc", holds, 0, "AUROC of repeated bigrams", note=note)


def overlap(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """With the unit of the same kind that is least alike, against chance and units of other kinds."""
    table = tables.get("overlap")
    if table is None:
        return None
    # A unit may be another's by its rank.
    apart = np.array(
        [
            not set(one.split()) & set(other.split())
            for one, other in zip(table["one_units"], table["other_units"], strict=True)
        ],
        dtype=bool,
    )
    mine = table[apart & ((table["one"] == target) | (table["other"] == target)) & table["jaccard"].notna()]
    kin, rest = mine[mine["same_kind"]], mine[~mine["same_kind"]]
    if kin.empty:
        return None
    line = kin.loc[kin["jaccard"].idxmin()]
    holds = bool(line["jaccard_low"] > line["chance"] and line["q"] < 1 - settings.confidence)
    other = line["other"] if line["one"] == target else line["one"]
    note = f"with {other}; chance, given the labels, {line['chance']:.2f}"
    if len(rest):
        most = rest["jaccard"].max()
        holds &= bool(line["jaccard_low"] > most)
        note += f"; with units of other kinds up to {most:.2f}"
    return measured(line, "jaccard", holds, 0, "Jaccard index", note=note)


def spread(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Equivalence: the steps of the steepest rise have their share of the influence, to a factor of two."""
    table = tables.get("stream")
    if table is None or table[table["target"] == target].empty:
        return None
    mine = table[table["target"] == target]
    rise = mine["gain"].clip(lower=0).sum()
    if mine["positive_share"].isna().any() or not rise > 0:
        return None
    line = mine.loc[mine["gain"].idxmax()]
    share = line["samples"] / mine["samples"].sum()
    gain = line["gain"] / rise
    ratio, low, high = (line[f"positive_share{end}"] / share for end in ("", "_low", "_high"))
    note = f"steps {line['start']:.0f} to {line['stop']:.0f} have {100 * gain:.0f} % of the rise"
    holds: bool | None = None if np.isnan(low) else bool(low > 0.5 and high < 2)
    if settings.shuffled:
        holds, note = None, f"{note}; of samples in random order it could not be otherwise"
    return Measured(ratio, low, high, holds, int(line["samples"]), "x its share of the samples", note=note)


def recovered(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Of the corpora of known catalysts the one where they are found worst, among all samples and decoys.

    And the top has more of them, in each. Where no head forms within the run, nothing made one: those
    corpora are in the table, and not judged.
    """
    table = tables.get("recovery")
    if table is None or not table["formed"].any():
        return None
    mine = table[(table["method"] == "influence") & table["formed"] & table["auroc"].notna()]
    if mine.empty:
        return None
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
    holds = bool((mine["auroc_low"] > 0.5).all() and (mine["precision_low"] > mine["rate"]).all())
    if decoys:
        worst = mine.loc[mine["decoys_auroc"].idxmin()]
        note += "; from decoys alone {:.2f} [{:.2f}, {:.2f}] in {}".format(
            *(worst[f"decoys_auroc{end}"] for end in ("", "_low", "_high")), worst["experiment"]
        )
        holds &= bool((mine["decoys_auroc_low"] > 0.5).all())
    return measured(line, "auroc", holds, int(line["samples"]), "AUROC", note=note)
