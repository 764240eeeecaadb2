"""Write the example prompts of this folder, and a small tokenizer that knows their words.

    python experiments/probes/make.py

`ioi.jsonl` asks for the indirect object (Wang et al. 2022, arXiv 2211.00593): of two names that came, the one
that was not repeated; the foil is the repeated one. `greater-than.jsonl` asks for a later year (Hanna et al.
2023, arXiv 2305.00586): answers are all pairs of digits above the first year's, foils all others. Both papers
measure differences of logits or probabilities; here it is the difference of log-probabilities. The tasks are
theirs, the sentences are not.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = ("Anna", "Bruno", "Clara", "David", "Emma", "Frank", "Greta", "Henry")
GIFTS = ("key", "letter", "basket", "lamp")
SCENES = (
    "{one} and {other} met at the station. {giver} handed the {gift} to",
    "After {one} and {other} had lunch, {giver} gave the {gift} to",
    "While {one} and {other} were at the market, {giver} passed the {gift} to",
)
EVENTS = ("siege", "drought", "journey", "trial", "repair")
CENTURIES = (16, 17, 18)


def ioi() -> list[dict]:
    """Both names as the giver, and each pair in both orders over the scenes."""
    found = []
    pairs = list(itertools.combinations(NAMES, 2))[::2]
    for number, (one, other) in enumerate(pairs):
        scene, gift = SCENES[number % len(SCENES)], GIFTS[number % len(GIFTS)]
        for giver, receiver in ((one, other), (other, one)):
            prompt = scene.format(one=one, other=other, giver=giver, gift=gift)
            found.append({"prompt": prompt, "answer": f" {receiver}", "foil": f" {giver}"})
    return found


def greater_than() -> list[dict]:
    """Years over all decades, no first and no last of a century."""
    found = []
    for number, year in enumerate(range(4, 97, 6)):
        century = CENTURIES[number % len(CENTURIES)]
        prompt = f"The {EVENTS[number % len(EVENTS)]} lasted from {century}{year:02d} to {century}"
        later = [f"{other:02d}" for other in range(year + 1, 100)]
        others = [f"{other:02d}" for other in range(year + 1)]
        found.append({"prompt": prompt, "answer": later, "foil": others})
    return found


def tokenizer(lines: list[dict]):
    """A byte-level BPE of single digits, in which every name is one token with the space before it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    names = [f" {name}" for name in NAMES]
    made.train_from_iterator([*names * 50, *(line["prompt"] for line in lines)], trainer)
    return made


def main() -> None:
    """Write all three."""
    both = {"ioi.jsonl": ioi(), "greater-than.jsonl": greater_than()}
    for name, lines in both.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (FOLDER / name).write_text(text, encoding="utf-8")
    made = tokenizer([line for lines in both.values() for line in lines])
    (FOLDER / "tokenizer.json").write_text(made.to_str(pretty=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
