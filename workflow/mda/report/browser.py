"""The sample browser: one page, which needs nothing but itself, of samples and their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2.utils import htmlsafe_json_dumps

from mda.report import html_page

# Digits of a number on the page: float32 has no more than seven, and a reader needs fewer.
DIGITS = 4
# Attention below this share is not shown.
LEAST = 0.01


def sample(line: dict[str, Any], source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A sample as the page has it.

    Args:
        line: a line of samples/tokens.parquet.
        source: the columns of its document that are shown with it.

    Returns:
        The line's target, side, rank, row, step, label, influence and loss, and the loss `per_token`;
        `pieces` of text, and for each the influence of its tokens in `values`, the loss of their prediction
        in `losses`, and their number in `tokens`, where it is not one; `spans`: (first piece, piece after
        the last, number) of every occurrence of a repeated span; `source`, pairs of name and text; and what
        `attention` gives.
    """
    kept = {key: line[key] for key in ("target", "side", "rank", "row", "step", "label")}
    numbers = {key: _rounded(line[key]) for key in ("influence", "loss")}
    # The last token is what is predicted from the others, and has no influence of its own.
    values = [*line["token_influence"], None]
    # The first is predicted from nothing.
    losses = [None, *line["token_loss"]]
    pieces: list[str] = []
    spans: list[int] = []
    # Of each token the piece that it is in.
    owners: list[int] = []
    for piece, span in zip(line["pieces"], line["repeated"], strict=True):
        owners.append(len(pieces))
        # A character of several tokens is one piece: the text stands at the last of them.
        if piece:
            pieces.append(piece)
            spans.append(span)
    if not pieces:
        pieces, spans = [""], [0]
    # What comes after the last piece, and has no text, belongs to it.
    owners = [min(owner, len(pieces) - 1) for owner in owners]
    counts = np.bincount(owners, minlength=len(pieces))
    return {
        **kept,
        **numbers,
        "per_token": _rounded(line["loss"] / max(1, len(line["token_influence"]))),
        "pieces": pieces,
        "values": _summed(values, owners, len(pieces)),
        "losses": _summed(losses, owners, len(pieces)),
        # In the order of the user's columns, as JSON objects need not be.
        "source": [[name, str(value)] for name, value in (source or {}).items() if value is not None],
        "tokens": {str(place): int(count) for place, count in enumerate(counts) if count > 1},
        "spans": occurrences(pieces, spans),
        **attention(line, owners, len(pieces)),
    }


def _summed(values: Sequence[float | None], owners: Sequence[int], pieces: int) -> list[float | None]:
    """By piece the sum over its tokens that have a value; None where none has."""
    found: list[float | None] = [None] * pieces
    for value, owner in zip(values, owners, strict=True):
        if value is not None:
            found[owner] = value + (found[owner] or 0.0)
    return [None if value is None else _rounded(value) for value in found]


def attention(line: dict[str, Any], owners: Sequence[int], pieces: int) -> dict[str, list]:
    """What the target's heads attend to, by piece; empty lists for a target without heads.

    Args:
        line: a line of samples/tokens.parquet.
        owners: of each token the piece that it is in.

    Returns:
        `attended`: of each piece but the last, which the model does not read, the pieces that its last token
        attends to, the most first, each followed by the share in percent, all in one list. `received`: the
        mean attention to each of these pieces from itself and all later tokens, in percent.
    """
    read = len(line["received"])
    if read == 0:
        return {"attended": [], "received": []}
    places, shares = (np.reshape(line[name], (read, -1)).tolist() for name in ("attended", "attention"))
    attended: list[list[float]] = [[] for _ in range(pieces)]
    for owner, *told in zip(owners[:read], places, shares, strict=True):
        sums: dict[int, float] = {}
        for place, share in zip(*told, strict=True):
            if place >= 0:
                sums[owners[place]] = sums.get(owners[place], 0.0) + share
        # The piece's last token comes last.
        shown = sorted(
            ((part, share) for part, share in sums.items() if share >= LEAST), key=lambda of: -of[1]
        )
        attended[owner] = [number for part, share in shown for number in (part, round(100 * share))]
    received = [0.0] * (owners[read - 1] + 1)
    for owner, share in zip(owners[:read], line["received"], strict=True):
        received[owner] += 100 * share
    return {"attended": attended[: len(received)], "received": [round(share, 1) for share in received]}


def occurrences(pieces: Sequence[str], spans: Sequence[int]) -> list[tuple[int, int, int]]:
    """Where each occurrence of a span begins and ends.

    Occurrences side by side have the same number, but are apart by the period of their text.

    Returns:
        (first piece, piece after the last, number of the span).
    """
    found = []
    start = 0
    while start < len(spans):
        stop = start + 1
        while stop < len(spans) and spans[stop] == spans[start]:
            stop += 1
        if spans[start]:
            step = _period(pieces[start:stop])
            found += [(place, min(place + step, stop), spans[start]) for place in range(start, stop, step)]
        start = stop
    return found


def _period(run: Sequence[str]) -> int:
    """Length of the motif, of two pieces or more, that a run shows twice or more; else the run's."""
    lags = range(2, len(run) // 2 + 1)
    return next((lag for lag in lags if run[lag:] == run[:-lag]), len(run))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def page(template: Path, samples: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        template: workflow/report/samples.html.j2.
        samples: as `sample` gives them.
        facts: what else the page tells: `experiment`, `checkpoint` by its name, `strategy`, `trained`, which
            is false where samples have no step, `units`, the names of each target's units, `scored`, how many
            samples have an influence on each, `window`, its first step and that after its last, or None, and
            `all_samples`, whether there is a browser of them all.
    """
    # ASCII, with <, > and & as escapes: nothing in it ends the script or begins a comment.
    data = htmlsafe_json_dumps({"samples": samples, **facts}, separators=(",", ":"))
    return html_page.render(template, data=data, **facts)
