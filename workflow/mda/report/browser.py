"""The sample browser: one page, which needs nothing but itself, of samples and their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2.utils import htmlsafe_json_dumps

from mda.report import html_page

# Digits of a number on the page: float32 has no more than seven, and a reader needs fewer.
DIGITS = 4


def sample(line: dict[str, Any], source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A sample as the page has it.

    Args:
        line: a line of samples/tokens.parquet.
        source: the columns of its document that are shown with it.

    Returns:
        The line's target, side, rank, row, step, label, influence and loss, and the loss `per_token`;
        `pieces` of text, and for each the influence of its tokens in `values` and their number in `tokens`,
        where it is not one; and `spans`: (first piece, piece after the last, number) of every occurrence of
        a repeated span; and `source`, pairs of name and text.
    """
    kept = {key: line[key] for key in ("target", "side", "rank", "row", "step", "label")}
    numbers = {key: _rounded(line[key]) for key in ("influence", "loss")}
    # The last token is what is predicted from the others, and has no influence of its own.
    values = [*line["token_influence"], None]
    pieces: list[str] = []
    spans: list[int] = []
    parts: list[list[float]] = [[]]
    for piece, value, span in zip(line["pieces"], values, line["repeated"], strict=True):
        parts[-1] += [] if value is None else [value]
        # A character of several tokens is one piece: the text stands at the last of them.
        if piece:
            pieces.append(piece)
            spans.append(span)
            parts.append([])
    return {
        **kept,
        **numbers,
        "per_token": _rounded(line["loss"] / max(1, len(line["token_influence"]))),
        "pieces": pieces,
        "values": [_rounded(sum(part)) if part else None for part in parts[: len(pieces)]],
        # In the order of the user's columns, as JSON objects need not be.
        "source": [[name, str(value)] for name, value in (source or {}).items() if value is not None],
        "tokens": {str(place): len(part) for place, part in enumerate(parts) if len(part) > 1},
        "spans": occurrences(pieces, spans),
    }


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
