"""Made-up lines of samples/tokens.parquet, some of hostile text, and the page that is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from project import ROOT

from mda.interventions import repetition
from mda.report import browser

TEMPLATE = ROOT / "workflow" / "report" / "samples.html.j2"
UNITS = {"induction-1": ["L1H0"], "pair": ["L0H0", "L0H1"]}
FACTS = {
    "experiment": "made-up",
    "checkpoint": "step 120",
    "trained": True,
    "strategy": "ekfac",
    "units": UNITS,
    "scored": 20000,
    "window": [60, 240],
}
LABELS = ("prose", "tiled", 'a "quoted" <b>label</b>')
# Each is a token of some sample.
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!-- <script>",
    "]]>",
    '" onmouseover="alert(3)" \'',
    "<img src=x onerror=alert(4)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&amp;",
    "\u2028\u2029",
    "\u202eright to left\u202c",
    "\u200fשלום",
    "\x01\x02\x1b\x7f",
    "👩‍🔬🙂",
    "https://example.com/x.png",
    "a\tb\nc\r\n",
    "\ufffd\ufeff",
)
WORDS = ("the", "a", "head", "of", "text", "that", "model", "was", "and", "in", "to", "it", "seen", "again")
WORDS += ("over", "some", "words", "more", "data", "on")


def lines(a_side: int = 250, length: int = 33, seed: int = 0) -> list[dict]:
    """`a_side` samples of highest and of lowest influence on two targets: four times as many lines."""
    generator = np.random.default_rng(seed)
    found = []
    for target in UNITS:
        for side, sign in (("top", 1), ("bottom", -1)):
            influences = sign * np.sort(generator.gamma(2.0, 1.0, a_side))[::-1]
            for rank, influence in enumerate(influences, start=1):
                ids = generator.integers(0, len(WORDS), length)
                label = LABELS[int(generator.integers(0, 2))] if rank % 25 else LABELS[2]
                if label == "tiled":
                    ids = np.tile(ids[:6], length // 6 + 1)[:length]
                words = [f"{WORDS[number]} " for number in ids]
                if rank <= len(HOSTILE):
                    words[3], ids[3] = HOSTILE[rank - 1], len(WORDS)
                values = generator.normal(influence / (length - 1), 0.2, length - 1)
                values *= influence / values.sum()
                line: dict = {
                    "target": target,
                    "side": side,
                    "rank": rank,
                    "row": int(generator.integers(0, 10**6)),
                    "step": int(generator.integers(0, 240)),
                    "label": label,
                    "influence": float(influence),
                    "loss": float(generator.uniform(20, 120)),
                    "pieces": words,
                    "token_influence": [float(value) for value in values],
                    "repeated": repetition.repeated_spans(ids, 2).tolist(),
                }
                found.append(line)
    return found


def write(path: Path, made: list[dict]) -> Path:
    """The page of these lines."""
    path.write_text(browser.page(TEMPLATE, [browser.sample(line) for line in made], FACTS), encoding="utf-8")
    return path
