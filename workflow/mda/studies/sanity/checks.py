"""The checks of attribution, and what each expects.

The rules were written down before any was run. Other weights pass if the interval of the rank correlation
lies within plus and minus `MOST`, half of a perfect one, and fail if it lies outside. The same model passes
if it lies above `MOST`, and fails if it lies below. An interval on both sides of a bound decides nothing.
What cannot matter has to have a score of exactly 0; where two computations are compared, no more than
`ROUNDING` of the largest score.
"""

PASSES, FAILS = "passes", "fails"
MOST = 0.5
ROUNDING = 1e-3

# Check -> what it expects, in words.
OWN, EVERY, SAME = "own weights drawn anew", "all weights drawn anew", "the same model again"
CONSTANT, LABELS = "constant probe", "labels shuffled"
EMPTY, MASKED, LATER = "empty rows", "tokens of masked rows", "rows after the outcome"
EXPECTED = {
    OWN: f"within -{MOST:g} and {MOST:g}",
    EVERY: f"within -{MOST:g} and {MOST:g}",
    SAME: f"above {MOST:g}",
    CONSTANT: "0",
    LABELS: "1 within, the reference outside",
    EMPTY: "0",
    MASKED: f"at most {ROUNDING:g}",
    LATER: "0",
}
# Checks whose number is a rank correlation.
AGREEMENT = (SAME, OWN, EVERY)
