"""The top samples as text, with their repeats marked."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from mda.evidence.rounding import number
from mda.figures import style


def draw(samples: list[dict], target: str, among: str) -> Figure:
    """The top samples as text, tokens of repeated spans shaded.

    Args:
        samples: dictionaries with rank, row, score, label, tokens (list of texts) and repeated
            (list of bool of the same length).
        among: which samples these are the top of.
    """
    # The size of the monospaced letters, the width of one in that size, and the height of a line.
    size, letter, height = 5.6, 0.602, 0.13
    columns = int(style.width() * 72 / (size * letter)) - 2
    blocks = [_wrap(sample["tokens"], sample["repeated"], columns) for sample in samples]
    lines = sum(len(block) + 1.6 for block in blocks) + 2.9
    figure = plt.figure(figsize=(style.width(), lines * height), layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set_xlim(-1, columns + 1)
    axis.set_ylim(lines, 0)
    title = f"Highest influence on {target} among {among}. Shaded: occurs more than once."
    # As many letters as there is room for, at half their size.
    wide = textwrap.fill(title, int(style.width() * 72 / (0.5 * size + 1.2)))
    axis.text(0, 0.2, wide, fontsize=7, va="top")
    line = 3.2
    for sample, block in zip(samples, blocks, strict=True):
        facts = (f"{sample['rank']}.", style.shown(sample["label"]), f"influence {number(sample['score'])}")
        head = "   ".join((*facts, f"row {sample['row']}"))
        axis.text(0, line, head, fontsize=6.5, fontweight="bold", va="center", parse_math=False)
        for words in block:
            line += 1
            for start, text, repeated in words:
                if repeated:
                    axis.add_patch(
                        plt.Rectangle((start, line - 0.5), len(text), 1, color="0.85", linewidth=0)
                    )
                axis.text(start, line, text, fontsize=size, family="monospace", va="center", parse_math=False)
        line += 1.6
    told = "; ".join(
        f"{sample['rank']}. {style.shown(sample['label'])}, influence {number(sample['score'])}: "
        f"{style.shown(''.join(sample['tokens']))}"
        for sample in samples
    )
    style.tell(figure, f"{title}. {told}")
    return figure


def _wrap(tokens: list[str], repeated: list[bool], columns: int) -> list[list[tuple[int, str, bool]]]:
    rows: list[list[tuple[int, str, bool]]] = [[]]
    start = 0
    for token, mark in zip(tokens, repeated, strict=True):
        shown = token.replace("\n", "⏎").replace("\t", "→")
        shown = "".join(character if character.isprintable() else "·" for character in shown)[:columns]
        if start + len(shown) > columns:
            rows.append([])
            start = 0
        rows[-1].append((start, shown, mark))
        start += len(shown)
    return rows
