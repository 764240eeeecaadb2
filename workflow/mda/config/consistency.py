"""What must hold between the sections of the configuration, checked before any job starts."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mda.config import (
    attribution_checks,
    intervention_checks,
    own_selection,
    sentences,
    study_checks,
    target_checks,
    trajectory_checks,
)
from mda.config.experiment import Config
from mda.config.model_settings import Shape
from mda.runtime.errors import UserError

# Of a kind; a plan of more takes hours and all memory.
MOST_JOBS = 100_000


def _check_name(config: Config) -> None:
    # Results of the default experiment lie beside those of named experiments.
    taken = {"base", "benchmarks", "corpus", "factors", "figures", "heads", "logs", "motifs", "resume"}
    taken |= {"benchmark", "published", "runs", "schedules", "scores", "selections", "synthetic", "tables"}
    taken |= {"gradients", "samples", "tokens", "evidence", "variants", "bench", "trajectory"}
    if config.experiment in taken:
        raise ValueError(f"experiment '{config.experiment}' is a folder of results; choose another name")


def _check_trace(config: Config) -> None:
    if config.trace is None:
        if not config.tokens.pack:
            raise ValueError(
                "tokens.pack is false, but only a trace scores documents one by one; set it to true"
            )
        if config.corpus.held_out == 0:
            raise ValueError(
                "corpus.held_out is 0, but runs are measured on held-out documents; give a share"
            )
        return
    if config.corpus.source == "tokenized" and config.trace.rows is None:
        raise ValueError("trace.rows is null, but of a tokenized corpus as many rows are read as it says")
    if config.tokens.tokenizer.kind in ("word", "bpe"):
        raise ValueError(
            f"tokens.tokenizer.kind is '{config.tokens.tokenizer.kind}', which trains a tokenizer, but the "
            "traced model knows the tokens of its own alone; set kind to file, and path to its tokenizer"
        )


def _check_run(config: Config) -> None:
    if config.trace is not None:
        return
    run, window = config.run, config.run.window
    if not window.start < window.stop <= run.steps:
        raise ValueError(
            f"run.window is {window.start} to {window.stop}, but must lie inside the run: "
            f"start < stop <= run.steps ({run.steps})"
        )
    if window.origin > window.start:
        raise ValueError(
            f"run.window.branch {window.branch} lies after its start {window.start}; lower it, or set null"
        )
    for step in config.model.published:
        if step > run.steps:
            raise ValueError(f"model.published names step {step}, but run.steps is {run.steps}")
    for step in run.checkpoints:
        if step > run.steps:
            raise ValueError(f"run.checkpoints names step {step}, but run.steps is {run.steps}")
    for key in ("checkpoint", "rank_at"):
        step = getattr(config.attribution, key)
        if step not in run.checkpoints:
            raise ValueError(
                f"attribution.{key} is {step}, but run.checkpoints keeps only "
                f"{', '.join(map(str, run.checkpoints))}; add it there"
            )
    decay = run.optimizer.decay_steps
    if run.optimizer.schedule != "constant" and (decay is None or decay <= run.optimizer.warmup_steps):
        raise ValueError(
            f"run.optimizer.schedule '{run.optimizer.schedule}' needs decay_steps above warmup_steps"
        )


def _check_lengths(config: Config) -> None:
    context = config.tokens.context
    if 2 * config.metrics.length > context:
        raise ValueError(
            f"metrics.length {config.metrics.length} is shown twice and exceeds tokens.context {context}"
        )
    shape = config.shape
    # A head's size may be set apart from the width.
    if shape.head_size is None and shape.width and shape.heads and shape.width % shape.heads:
        raise ValueError(
            f"model.settings: width {shape.width} is no multiple of {shape.heads} attention heads"
        )
    if shape.groups and shape.heads and shape.heads % shape.groups:
        raise ValueError(
            f"model.settings: {shape.heads} attention heads cannot share {shape.groups} of keys and "
            "values evenly; set num_key_value_heads to a divisor"
        )
    _check_context(config, shape)
    for name, probe in config.probes.items():
        if probe.sequence_length > context:
            raise ValueError(
                f"probes.{name} has sequences of {probe.sequence_length} tokens, "
                f"but tokens.context is {context}; lower its length"
            )
    if not config.metrics.icl.early <= config.metrics.icl.late < context:
        raise ValueError(f"metrics.icl needs early <= late < tokens.context ({context})")


def _check_context(config: Config, shape: Shape) -> None:
    model, context = config.model, config.tokens.context
    names = {"max_position_embeddings", "n_positions"} & set(model.settings)
    # A model from settings alone gets the context that it needs.
    if shape.context is not None and shape.context < context and (names or model.checkpoint is not None):
        where = "the checkpoint" if model.checkpoint is not None else f"model.settings.{min(names)}"
        raise ValueError(
            f"tokens.context is {context}, but {where} lets the model read {shape.context} tokens at most; "
            "lower tokens.context"
        )


def _check_sizes(config: Config) -> None:
    for key, jobs in (
        ("attribution.samples_per_shard" if config.trace is None else "trace.jobs", config.shards),
        ("attribution.fit.samples_per_part", config.attribution.fit.parts),
    ):
        if jobs > MOST_JOBS:
            remedy = "lower" if key == "trace.jobs" else "raise"
            raise ValueError(
                f"{key} makes {jobs:,} jobs, more than the {MOST_JOBS:,} that can be planned; {remedy} it"
            )
    if config.trace is not None:
        return
    needed = config.run.steps * config.run.batch_size
    if config.attribution.fit.samples > needed:
        raise ValueError(
            f"attribution.fit.samples {config.attribution.fit.samples} exceeds the "
            f"{needed} samples of the run"
        )
    if config.corpus.source == "synthetic" and config.corpus.synthetic is not None:
        words = config.corpus.synthetic.words_per_document + 1
        available = round(config.corpus.synthetic.documents * (1 - config.corpus.held_out)) * words
        if available < needed * (config.tokens.context + 1):
            raise ValueError(
                f"the run reads {needed} rows of {config.tokens.context + 1} tokens, but "
                f"corpus.synthetic gives only {available} tokens; raise corpus.synthetic.documents "
                "or lower run.steps"
            )


def _check_tokenizer(config: Config) -> None:
    model, tokenizer = config.model, config.tokens.tokenizer
    if model.remote is not None and tokenizer.kind in ("word", "bpe"):
        raise ValueError(
            f"tokens.tokenizer.kind is '{tokenizer.kind}', but the model {model.remote} knows the tokens of "
            f"its own tokenizer alone; set kind to huggingface, path to {model.remote} and revision to "
            f"{model.revision}"
        )


def _check_tokenized(config: Config) -> None:
    source, kind, context = config.corpus.tokenized, config.tokens.tokenizer.kind, config.tokens.context
    if config.corpus.source != "tokenized" or source is None:
        return
    if kind not in ("file", "huggingface"):
        raise ValueError(
            f"tokens.tokenizer.kind is '{kind}', but the corpus is tokenized already; set it to file or "
            "huggingface, and tokens.tokenizer.path to the tokenizer that was used"
        )
    if source.width != context + 1:
        raise ValueError(
            f"corpus.tokenized.width is {source.width}, but tokens.context {context} needs rows of "
            f"{context + 1}; set tokens.context to {source.width - 1}, for rows are not cut"
        )
    read = config.run.steps * config.run.batch_size if config.trace is None else config.trace.rows or 0
    needed = -(-read // source.batch_size)
    if source.held_out[0] < needed:
        raise ValueError(
            f"corpus.tokenized.held_out begins at batch {source.held_out[0]}, but the run reads the "
            f"batches 0 to {needed - 1}; let it begin at {needed} or later"
        )


def check(config: dict[str, Any]) -> Config:
    """Turn a merged configuration into its checked form.

    Raises:
        UserError: one sentence that names the key, the value and what is allowed.
    """
    try:
        sentences.refuse_addresses(config)
        checked = Config.model_validate(config)
        for hold in CHECKS:
            hold(checked)
        return checked
    except ValidationError as error:
        raise UserError(f"configuration: {sentences.of(error)}.") from None
    except ValueError as error:
        # Of the checks between sections.
        raise UserError(f"configuration: {str(error).rstrip('.')}.") from None
    except OSError as error:
        raise UserError(
            f"configuration: {str(error.filename)[:200]} cannot be looked at ({error.strerror}); mend the "
            "path or its rights."
        ) from None


CHECKS = (
    _check_trace,
    _check_name,
    _check_run,
    _check_lengths,
    target_checks.check,
    intervention_checks.check,
    _check_sizes,
    _check_tokenized,
    _check_tokenizer,
    study_checks.check,
    attribution_checks.check,
    trajectory_checks.check,
    own_selection.check,
)
