"""Made-up lines of samples/tokens.parquet, some of hostile text, and the page that is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from project import ROOT

from mda.attribution import attention
from mda.interventions import repetition
from mda.report import all_samples, browser
from mda.steps.attribution import token_influence

ALL_TEMPLATE = ROOT / "workflow" / "report" / "all_samples.html.j2"
TEMPLATE = ROOT / "workflow" / "report" / "samples.html.j2"
UNITS = {"induction-1": ["L1H0"], "pair": ["L0N3", "L0N5"]}
FACTS = {
    "experiment": "made-up",
    "checkpoint": "step 120",
    "trained": True,
    "strategy": "ekfac",
    "units": UNITS,
    "scored": 20000,
    "window": [60, 240],
    "all_samples": True,
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
# Of a target without heads.
NOTHING: dict = {"attended": [], "attention": [], "received": []}
WORDS = ("the", "a", "head", "of", "text", "that", "model", "was", "and", "in", "to", "it", "seen", "again")
WORDS += ("over", "some", "words", "more", "data", "on")


def attended(length: int, generator: np.random.Generator) -> dict:
    """What a head attends to in a text of which the model reads so many tokens."""
    pattern = np.tril(generator.gamma(0.2, 1.0, (length, length)) + 1e-6)
    found = attention.summary(pattern / pattern.sum(axis=1, keepdims=True), token_influence.MOST)
    return {
        "attended": found.places.ravel().tolist(),
        "attention": found.shares.ravel().tolist(),
        "received": found.received.tolist(),
    }


def lines(a_side: int = 250, length: int = 33, seed: int = 0) -> list[dict]:
    """`a_side` samples of highest and of lowest influence on two targets: four times as many lines."""
    generator, other = np.random.default_rng(seed), np.random.default_rng(seed + 1)
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
                    **(attended(length - 1, other) if target == "induction-1" else NOTHING),
                }
                losses = other.gamma(2.0, 1.0, length - 1)
                line["token_loss"] = (line["loss"] * losses / losses.sum()).tolist()
                found.append(line)
    return found


def write(path: Path, made: list[dict]) -> Path:
    """The page of these lines."""
    path.write_text(browser.page(TEMPLATE, [browser.sample(line) for line in made], FACTS), encoding="utf-8")
    return path


def scored(count: int = 1000, seed: int = 0) -> all_samples.Scored:
    """Samples in the order of their steps, ten a step, with influence on both targets that goes together."""
    generator = np.random.default_rng(seed)
    one = generator.standard_t(3, count)
    return all_samples.Scored(
        {
            "step": (np.arange(count) // 10).astype("<u4"),
            "row": generator.permutation(count).astype("<u4"),
            "loss": generator.uniform(20, 120, count).astype("<f4"),
            "label": generator.integers(0, len(LABELS), count).astype("<u4"),
        },
        dict(
            zip(UNITS, (one.astype("<f4"), (one + generator.normal(size=count)).astype("<f4")), strict=True)
        ),
        list(LABELS),
    )


def write_all(folder: Path, made: all_samples.Scored, texts: list[str], sources: list[list[str]]) -> Path:
    """The page of these samples, whose texts are cut at 1,000 characters; `sources` has a line each."""
    samples = [
        [text[:1000], 32, len(text) > 1000, *source] for text, source in zip(texts, sources, strict=True)
    ]
    facts = {key: value for key, value in FACTS.items() if key not in ("scored", "all_samples")}
    # A target, or a target at another checkpoint than that of the sample browser.
    facts["units"] = {name: UNITS[name.split(" at ")[0]] for name in made.influence}
    facts["targets"] = {name: name.split(" at ")[0] for name in made.influence}
    facts["by_token"] = [name for name in made.influence if "early" not in name]
    facts["several"] = any(" at " in name for name in made.influence)
    facts |= {"sources": ["document"] if sources[0] else [], "characters": 1000, "ends": 20}
    parts = (samples[part] for part in all_samples.parts(len(texts)))
    all_samples.write(folder, ALL_TEMPLATE, made, parts, facts)
    return folder / "index.html"
