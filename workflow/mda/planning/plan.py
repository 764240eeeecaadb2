"""Cut the work into jobs, and warn where the cut does not suit the data."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from mda.config.corpus_sections import Files, Table
from mda.config.experiment import Config
from mda.runtime.errors import UserError

# A job that starts and loads the model for less than this many batches mostly starts and loads.
FEWEST_BATCHES = 8
# More than these and a scheduler is busy with the jobs (SLURM's MaxArraySize is 1001 by default).
MOST_JOBS = 1000
# Tokens of a job: at 50,000 tokens a second they take some three hours, which are lost with the job.
MOST_TOKENS = 500_000_000
# So many are read to see whether they can be, and whether the tokenizer suits them.
FIRST_DOCUMENTS = 200


def warnings(config: Config) -> list[str]:
    """A sentence for each setting that cuts the work too fine or too coarse, with a better number."""
    fit, attribution = config.attribution.fit, config.attribution
    start, stop = config.scored
    scored = (stop - start) * config.run.batch_size
    cuts = (
        ("attribution.samples_per_shard", attribution.samples_per_shard, scored),
        ("attribution.fit.samples_per_part", fit.samples_per_part, fit.samples),
    )
    found = (
        warning(key, size, samples, fit.batch_size, config.tokens.context) for key, size, samples in cuts
    )
    return [sentence for sentence in (*found, unknown(config), strange(config)) if sentence is not None]


def read_first(config: Config) -> None:
    """Read the first documents of local files, so that a wrong file or column is told before any job.

    Raises:
        UserError: when one cannot be read, or there is none.
    """
    from mda.corpus import sources

    chosen = config.corpus.chosen
    if isinstance(chosen, Table) or (isinstance(chosen, Files) and chosen.folder is not None):
        found = list(islice(sources.documents(config.corpus), FIRST_DOCUMENTS))
        if len(found) < FIRST_DOCUMENTS and not any(document.text.strip() for document in found):
            raise UserError(
                f"corpus: source '{config.corpus.source}' gives no document with a text; check its patterns "
                "or path"
            )


def unknown(config: Config) -> str | None:
    """That a vocabulary of words is too small for the text, as far as the first documents show."""
    settings = config.tokens.tokenizer
    if settings.kind != "word" or config.corpus.source in ("synthetic", "tokenized", "huggingface"):
        return None
    # Here, for each job of a cluster imports this module, and needs none of what these import.
    from mda.corpus import sources
    from mda.corpus.tokenizer import RESERVED
    from mda.corpus.tokens import MOST_UNKNOWN

    texts = [document.text for document in islice(sources.documents(config.corpus), FIRST_DOCUMENTS)]
    counts = Counter(word for text in texts for word in text.split())
    # No vocabulary of this size knows more of these documents.
    known = sum(count for _, count in counts.most_common(settings.vocabulary - RESERVED))
    share = 1 - known / max(1, counts.total())
    if share <= MOST_UNKNOWN:
        return None
    return (
        f"tokens.tokenizer is a word tokenizer with a vocabulary of {settings.vocabulary}, to which at least "
        f"{100 * share:.0f} % of the words of the first {len(texts)} documents are unknown, and above "
        f"{100 * MOST_UNKNOWN:.0f} % the run stops; set kind to bpe and vocabulary to 1024 or more"
    )


def strange(config: Config) -> str | None:
    """That a model from a folder may not know the tokens of a tokenizer that is trained here."""
    kind = config.tokens.tokenizer.kind
    if config.model.local is None or kind not in ("word", "bpe"):
        return None
    return (
        f"model.checkpoint is a folder, but tokens.tokenizer.kind is '{kind}', which is trained anew: the "
        "model knows its tokens only if it was trained on this very corpus; if not, name its own tokenizer"
    )


def warning(key: str, size: int, samples: int, batch: int, context: int) -> str | None:
    """What is wrong with jobs of `size` of the `samples`, or None.

    Args:
        key: name of the setting.
        batch: samples that pass through the model at once.
        context: tokens of a sample.
    """
    jobs = -(-samples // size)
    coarsest = max(1, MOST_TOKENS // context)
    finest = min(max(FEWEST_BATCHES * batch, -(-samples // MOST_JOBS)), coarsest)
    if jobs > MOST_JOBS:
        if finest <= size:
            return f"{key} {size} makes {jobs} jobs, more than a scheduler likes; score fewer samples"
        return f"{key} {size} makes {jobs} jobs, which is too fine; {finest} makes {-(-samples // finest)}"
    if jobs > 1 and size < min(finest, samples):
        better = min(finest, samples)
        return (
            f"{key} {size} is too fine: a job reads fewer than {FEWEST_BATCHES} batches and mostly starts; "
            f"{better} makes {-(-samples // better)} jobs of {jobs}"
        )
    if min(size, samples) > coarsest:
        return (
            f"{key} {size} is too coarse: a job reads {min(size, samples) * context / 1e9:.1f} G tokens, "
            f"which are lost when it dies; {coarsest} makes {-(-samples // coarsest)} jobs"
        )
    return None


def asked_first(config: Config) -> dict[str, Any]:
    """What `mda.attribution.checks` makes and asks before a step that takes long."""
    tokenizer = config.tokens.tokenizer
    return {
        "model": config.model.model_copy(update={"published": {}}),
        "vocabulary": tokenizer.vocabulary if tokenizer.kind in ("word", "bpe") else None,
        "context": config.tokens.context,
        "targets": config.all_targets,
        "probes": config.probes_of(config.all_targets),
        "tokenizer": f"{config.results}/tokens/tokenizer.json",
        "out": f"{config.results}/checks.json",
    }
