"""What must hold between the sections of the configuration, checked before any job starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mda.config import (
    attribution_checks,
    encoder_files,
    own_selection,
    probe_files,
    sentences,
    trajectory_checks,
)
from mda.config.experiment import Config, selections_of
from mda.config.model_settings import Shape
from mda.config.study_sections import Datamodel
from mda.config.unit_sections import HEAD_PATTERN, LAYER_PATTERN, NEURON_PATTERN, RANK_PATTERN, Probe
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


def _check_targets(config: Config) -> None:
    shape = config.shape
    names = [target.name for target in config.all_targets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"targets (with those of studies.specificity) names '{name}' twice")
    for target in config.all_targets:
        if target.probe not in config.probes:
            raise ValueError(
                f"targets.{target.name}.probe is '{target.probe}', "
                f"but probes has only {', '.join(config.probes)}"
            )
        probe = config.probes[target.probe]
        if not probe.fits(target.kinds):
            others = {"heads": "induction or previous_token", "neurons": "activation"}
            raise ValueError(
                f"targets.{target.name}: the measure '{probe.measure}' of its probe is not one of "
                f"{target.fits.named}; use {others.get(target.fits.named, 'induction')}"
            )
        watched = config.trace is None and target.metric == "probe"
        if watched and probe.reads_units and not target.by_place:
            raise ValueError(
                f"targets.{target.name}: its metric is its probe, whose value may depend on the units, but "
                "ranks and classes are not known while the base run trains; name the units by place"
            )
        for unit in target.units:
            _check_unit(target.name, unit, shape)
        if probe.encoder is not None:
            _check_feature(target.probe, probe, shape)
    probe_files.check(config.probes_of(config.all_targets))


def _check_feature(name: str, probe: Probe, shape: Shape) -> None:
    """That an encoder fits the model, as far as the model is known."""
    inputs = encoder_files.shape(Path(str(probe.encoder))).inputs
    if shape.width is not None and inputs != shape.width:
        raise ValueError(
            f"probes.{name}.encoder reads {inputs} numbers a token, but the model has {shape.width}; name an "
            "encoder of this model"
        )
    place = LAYER_PATTERN.match(str(probe.place))
    if place and shape.layers is not None and int(place[1]) >= shape.layers:
        raise ValueError(
            f"probes.{name}.place is {probe.place}, but the model has layers 0 to {shape.layers - 1}"
        )


def _check_unit(target: str, unit: str, shape: Shape) -> None:
    layers, heads = shape.layers, shape.heads
    rank = RANK_PATTERN.match(unit)
    for pattern, kind, count in ((HEAD_PATTERN, "heads", heads), (NEURON_PATTERN, "neurons", shape.neurons)):
        place = pattern.match(unit)
        if not place or layers is None or count is None:
            continue
        if int(place[1]) >= layers or int(place[2]) >= count:
            raise ValueError(
                f"targets.{target} names {unit}, but the model has layers 0 to {layers - 1} "
                f"with {kind} 0 to {count - 1}"
            )
    layer = LAYER_PATTERN.match(unit)
    if layer and layers is not None and int(layer[1]) >= layers:
        raise ValueError(f"targets.{target} names {unit}, but the model has layers 0 to {layers - 1}")
    if rank and layers and heads and int(rank[2]) > layers * heads:
        raise ValueError(f"targets.{target} asks for rank {rank[2]} of {layers * heads} heads")


def _check_interventions(config: Config) -> None:
    methods = {method for item in config.experiments.interventions for method in item.selections}
    if "influence" not in methods:
        raise ValueError("experiments.interventions: none has the selection 'influence'; add it to one")
    kinds = [intervention.kind for intervention in config.experiments.interventions]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"experiments.interventions names '{kind}' twice")
    for intervention in config.experiments.interventions:
        if "random" not in intervention.selections:
            raise ValueError(
                f"experiments.interventions: '{intervention.kind}' has no 'random' selection, "
                "without which no effect can be judged; add it"
            )
        for fraction in intervention.fractions or config.selection.fractions:
            if fraction not in config.selection.fractions:
                raise ValueError(
                    f"experiments.interventions: '{intervention.kind}' uses fraction {fraction:g}, "
                    "which selection.fractions does not list"
                )
            if intervention.kind == "replace" and fraction > 0.5:
                raise ValueError(
                    f"'replace' at fraction {fraction:g} has fewer unselected samples than places to fill"
                )
    _check_augmentation(config)


def _check_augmentation(config: Config) -> None:
    window, settings = config.run.window, config.experiments.augmentation
    steps = {"augmentation.at_step": settings.at_step}
    steps["duplicates_at_step"] = config.experiments.duplicates_at_step
    for key, step in steps.items():
        if step is not None and not window.origin <= step < window.stop:
            raise ValueError(
                f"experiments.{key} {step} lies outside the steps that branches run "
                f"({window.origin} to {window.stop - 1})"
            )
    methods = [
        method
        for intervention in config.experiments.interventions
        if intervention.kind == "augment"
        for method in intervention.selections
    ]
    known = [name for method in methods for name in selections_of(config, method)]
    for name, path in settings.motifs.items():
        if name not in known:
            raise ValueError(
                f"experiments.augmentation.motifs names '{name}', but the selections that 'augment' uses "
                f"are {', '.join(known) or 'none'}"
            )
        for seed in [*config.experiments.seeds, *(config.studies.seeds or [])]:
            file = path.replace("{seed}", str(seed))
            if not Path(file).is_file():
                raise ValueError(
                    f"experiments.augmentation.motifs.{name} names the file {file}, which does not exist; "
                    "run the experiment that makes it first"
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


def _check_studies(config: Config) -> None:
    studies = config.studies
    dose = studies.dose
    replaced = dose is not None and any(curve.kind == "replace" for curve in dose.curves)
    if dose is not None and replaced and max(dose.fractions) > 0.5:
        raise ValueError(
            f"studies.dose: 'replace' at fraction {max(dose.fractions):g} has fewer unselected "
            "samples than places to fill"
        )
    for name, study in (("time", studies.time), ("ablation", studies.ablation)):
        for step in [] if study is None else study.checkpoints or []:
            if step not in config.run.checkpoints:
                raise ValueError(
                    f"studies.{name}.checkpoints names {step}, but run.checkpoints keeps only "
                    f"{', '.join(map(str, config.run.checkpoints))}; add it there"
                )
    if studies.time is not None and studies.time.select:
        kept = studies.time.checkpoints
        kept = config.run.checkpoints if kept is None else kept
        if not set(kept) - {0, config.attribution.checkpoint}:
            raise ValueError(
                "studies.time.select compares checkpoints, but there is only attribution.checkpoint; add one "
                "to run.checkpoints, or set select to false"
            )
    if studies.datamodel is not None:
        _check_datamodel(studies.datamodel)
    _check_replacements(config)
    repeated = [] if studies.contrasts is None else studies.contrasts.experiments
    for name, experiments in (("replications", studies.replications), ("contrasts.experiments", repeated)):
        if "all" in experiments:
            raise ValueError(f"studies.{name} names 'all', which stands for all of them; rename it")


def _check_datamodel(study: Datamodel) -> None:
    if not 0.5 <= study.share <= 0.95:
        raise ValueError(
            f"studies.datamodel.share is {study.share:g}; give 0.5 to 0.95, for what is left out is replaced "
            "by what is kept"
        )


def _check_replacements(config: Config) -> None:
    """Studies that replace do so at the main fraction."""
    studies, fraction = config.studies, config.main_fraction
    replacing = {
        "controls": studies.controls is not None and studies.controls.kind == "replace",
        "specificity": studies.specificity is not None and studies.specificity.kind == "replace",
    }
    for name, replaces in replacing.items():
        if replaces and fraction > 0.5:
            raise ValueError(
                f"studies.{name}: 'replace' at fraction {fraction:g} has fewer unselected samples than "
                "places to fill; set the study to null or its kind to mask"
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
    _check_targets,
    _check_interventions,
    _check_sizes,
    _check_tokenized,
    _check_tokenizer,
    _check_studies,
    attribution_checks.check,
    trajectory_checks.check,
    own_selection.check,
)
