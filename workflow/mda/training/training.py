"""Training along a schedule, resumable at any step.

Not `transformers.Trainer`: a run here must follow a given schedule row by row, with roles
that mask, replace and insert samples and with batches of unequal size; branch from a saved
optimizer state; and give bit-equal numbers after a kill. The Trainer draws its own order,
skips batches to resume, and saves its state by pickle.
"""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import PreTrainedModel

from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import memory
from mda.models import model as models
from mda.runtime import files, interruption, parallel, saves
from mda.runtime.errors import UserError
from mda.training import schedule

log = logging.getLogger(__name__)

Record = dict[str, Any]


def learning_rate(settings: sections.Optimizer, step: int) -> float:
    """Learning rate of the update that leads from `step` to `step` + 1.

    Linear warm-up, then constant, linear or cosine decay to `minimum_ratio` of the peak at
    `decay_steps`. 'neox' is GPT-NeoX's cosine (megatron/learning_rates.py, class AnnealingLR),
    with which Pythia was trained: the first update has rate zero, the cosine counts
    `decay_steps` from the end of the warm-up, and `minimum_ratio` is a floor.
    """
    if settings.schedule == "neox":
        return settings.learning_rate * _neox_share(settings, step)
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.schedule == "constant" or settings.decay_steps is None:
        return settings.learning_rate
    progress = (step - settings.warmup_steps) / (settings.decay_steps - settings.warmup_steps)
    progress = min(progress, 1.0)
    decay = 1 - progress if settings.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return settings.learning_rate * (settings.minimum_ratio + (1 - settings.minimum_ratio) * decay)


def _neox_share(settings: sections.Optimizer, step: int) -> float:
    assert settings.decay_steps is not None
    if step <= settings.warmup_steps and settings.warmup_steps > 0:
        return step / settings.warmup_steps
    after = min(step, settings.decay_steps - settings.warmup_steps) - settings.warmup_steps
    return max((1 + math.cos(math.pi * after / settings.decay_steps)) / 2, settings.minimum_ratio)


def make_optimizer(model: PreTrainedModel, settings: sections.Optimizer) -> torch.optim.AdamW:
    """AdamW; biases and norms are not decayed, as in GPT-NeoX."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon)


def save_state(folder: Path, model: PreTrainedModel, optimizer: torch.optim.AdamW) -> None:
    """Save the full training state: a checkpoint in Hugging Face format, and the moments.

    The learning rate and the data position follow from the step, and nothing random is drawn
    while training, so there is no more state than this.
    """
    models.save(model, folder)
    moments = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            moments[f"{name}:{key}"] = value.detach().cpu().contiguous()
    save_file(moments, folder / "optimizer.safetensors")


def load_state(
    folder: Path, settings: sections.Optimizer, numerics: sections.Numerics
) -> tuple[PreTrainedModel, torch.optim.AdamW]:
    """Load what `save_state` saved.

    Raises:
        UserError: when the state is missing or damaged.
    """
    model = models.load(folder, numerics.attention)
    optimizer = make_optimizer(model, settings)
    try:
        moments = load_file(folder / "optimizer.safetensors")
    except Exception as error:  # safetensors raises its own kinds
        raise UserError(f"{folder}: has no whole optimizer state; delete it and run again") from error
    for name, parameter in model.named_parameters():
        state = {
            key.rsplit(":", 1)[1]: value for key, value in moments.items() if key.rsplit(":", 1)[0] == name
        }
        for key, value in state.items():
            # AdamW keeps its step counter on the CPU.
            state[key] = value if key == "step" else value.to(parameter.device)
        optimizer.state[parameter] = state
    return model, optimizer


@dataclass(frozen=True)
class Cadence:
    """When a run is evaluated and saved.

    Attributes:
        evaluate_every: steps between evaluations, counted from `origin`.
        origin: where interventions branch, so that all runs are evaluated at the same steps.
        save_seconds: time between saves to resume from.
        resume: folder for these saves.
    """

    evaluate_every: int
    origin: int
    save_seconds: float
    resume: Path

    @property
    def folder(self) -> Path:
        """Folder of this very run's saves: another configuration or code has another."""
        key = hashlib.sha256(files.made_by().encode()).hexdigest()[:16]
        return self.resume / key


class Trainer:
    """Follows a schedule from one step to another, alone or with other processes.

    Attributes:
        records: one record an evaluation step: `step`, `train_loss` (of the step before; nan
            at the start), `learning_rate`, and what the evaluator measured. Only the first
            process evaluates and saves.
        rows_at_once: rows that pass through the model together; a batch of more accumulates
            gradients. None is as many as fit.
    """

    rows_at_once: int | None = None

    def __init__(
        self,
        stream: schedule.Schedule,
        train: TokenStore,
        synthetic: TokenStore | None,
        optimizer: sections.Optimizer,
        numerics: sections.Numerics,
        evaluate: Callable[[PreTrainedModel], Record],
        cadence: Cadence,
    ) -> None:
        """Take what is the same for the whole run.

        Args:
            stream: the schedule; its steps need not begin at 0.
            train, synthetic: the stores that its rows point into.
            evaluate: measures a model at every evaluation step.
        """
        self.stream = stream
        self.train_store = train
        self.synthetic_store = synthetic
        self.settings = optimizer
        self.numerics = numerics
        self.evaluate = evaluate
        self.cadence = cadence
        self.records: list[Record] = []

    def batches(self, step: int) -> Iterator[torch.Tensor]:
        """Tokens of the rows of a step that give a gradient, shape (rows, context + 1) an update.

        A masked row's loss has weight zero, so leaving it out gives the same gradient.
        """
        return (self._batch(rows, roles) for rows, roles in self.stream.at(step))

    def _batch(self, rows: np.ndarray, roles: np.ndarray) -> torch.Tensor:
        generated = roles == schedule.SYNTHETIC
        parts = [self.train_store.take(rows[(roles != schedule.MASKED) & ~generated])]
        if generated.any():
            if self.synthetic_store is None:
                raise UserError("the schedule has synthetic rows, but no store of them was given")
            parts.append(self.synthetic_store.take(rows[generated]))
        return torch.cat([torch.from_numpy(part) for part in parts])

    def update(self, model: PreTrainedModel, optimizer: torch.optim.AdamW, step: int) -> float:
        """The optimizer updates of one step; returns the mean loss of their tokens in nats.

        An update whose rows are all masked has no gradient and is left out.
        """
        total, rows = 0.0, 0
        for batch in self.batches(step):
            if len(batch) == 0:
                continue
            loss = self.gradient(model, batch)
            torch.nn.utils.clip_grad_norm_(model.parameters(), self.settings.clip)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.settings, step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            value = float(loss)
            if not math.isfinite(value):
                raise UserError(
                    f"training diverged: the loss of step {step} is {value}; lower "
                    "run.optimizer.learning_rate or raise its warmup_steps"
                )
            total, rows = total + value * len(batch), rows + len(batch)
        return total / rows if rows else math.nan

    def gradient(self, model: PreTrainedModel, batch: torch.Tensor) -> torch.Tensor:
        """Leave the gradient of the batch's mean loss in the model; returns this loss.

        Accumulated over parts of the batch that fit the device, and over the processes.
        """
        mine = parallel.share(batch)
        if self.rows_at_once is None:
            self.rows_at_once = memory.rows_at_once(model, batch.shape[1] - 1)
        while True:
            try:
                loss = self._accumulate(model, mine, self.rows_at_once, len(batch))
                break
            except torch.cuda.OutOfMemoryError:
                if self.rows_at_once == 1:
                    raise UserError(
                        "one row does not fit the GPU; set numerics.attention to sdpa or lower tokens.context"
                    ) from None
                model.zero_grad(set_to_none=True)
                torch.cuda.empty_cache()
                self.rows_at_once //= 2
                log.info("out of GPU memory: going on with %d rows at once", self.rows_at_once)
        return parallel.sum_gradients(list(model.parameters()), loss)

    def _accumulate(
        self, model: PreTrainedModel, mine: torch.Tensor, at_once: int, rows: int
    ) -> torch.Tensor:
        place = next(model.parameters()).device
        total = torch.zeros((), device=place)
        for part in mine.split(at_once):
            if len(part) == 0:
                continue
            tokens = part.to(place)
            with models.precision(place, self.numerics.training):
                logits = model(tokens[:, :-1], use_cache=False).logits
            # At least in float32: the probabilities of 50,000 tokens are summed.
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            mean = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            loss = mean * (len(part) / rows)
            loss.backward()
            total += loss.detach()
        return total

    def follow(
        self,
        model: PreTrainedModel,
        optimizer: torch.optim.AdamW,
        start: int,
        stop: int,
        checkpoint: Callable[[PreTrainedModel, torch.optim.AdamW, int], None] | None = None,
    ) -> PreTrainedModel:
        """Train from `start` to `stop`, evaluating on the way, from the last save if there is one.

        Args:
            checkpoint: called at every step, before its update, and after the last.

        Raises:
            UserError: when the process was told to end; the state is saved.
        """
        state = parallel.same(latest(self.cadence.folder))
        if state is not None:
            model, optimizer = load_state(state, self.settings, self.numerics)
            record = files.read_json(state / "progress.json")
            start, self.records = record["step"], record["records"]
            loss = record["train_loss"]
            log.info("resumed at step %d", start)
        else:
            loss = math.nan
        model.train()
        began = saved = time.monotonic()
        first, main = start, parallel.rank() == 0
        for step in range(start, stop + 1):
            due = (step - self.cadence.origin) % self.cadence.evaluate_every == 0 or step in (0, stop)
            if main and due and (not self.records or self.records[-1]["step"] < step):
                self.records.append(self._measure(model, step, loss))
                _report(self.records[-1], first, stop, began)
            if main and checkpoint is not None:
                checkpoint(model, optimizer, step)
            if step == stop:
                break
            told = parallel.any_of(interruption.asked())
            if main and step > first and (told or time.monotonic() - saved >= self.cadence.save_seconds):
                self._save(model, optimizer, step, loss)
                saved = time.monotonic()
            if told:
                # A process that ended now would have the launcher end the one that saves.
                parallel.any_of(told)
                log.info("told to end (SIGTERM) at step %d, whose state is safe", step)
                interruption.hand_back(progressed=step > first)
                raise UserError(f"told to end at step {step}; run again to go on from there")
            loss = self.update(model, optimizer, step)
        return model

    def _measure(self, model: PreTrainedModel, step: int, loss: float) -> Record:
        rate = learning_rate(self.settings, step)
        return {"step": step, "train_loss": loss, "learning_rate": rate, **self.evaluate(model)}

    def _save(self, model: PreTrainedModel, optimizer: torch.optim.AdamW, step: int, loss: float) -> None:
        before = latest(self.cadence.folder)
        with files.whole(self.cadence.folder / f"step-{step:06d}") as part:
            save_state(part, model, optimizer)
            progress = {"step": step, "records": self.records, "train_loss": loss}
            files.write_json(part / "progress.json", progress)
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`, and let SIGTERM end this one with a save.

    The first process claims for all that train together.
    """
    with files.alone(folder) if parallel.rank() == 0 else nullcontext(), interruption.watched():
        yield


def taken_up(folder: Path, outputs: Sequence[Path]) -> bool:
    """Whether an earlier job has finished this very run, whose outputs are in their places now."""
    done = bool(parallel.same(parallel.rank() == 0 and saves.take_up(folder, outputs)))
    if done:
        log.info("an earlier job has finished this run; its results are taken")
    return done


def latest(resume: Path) -> Path | None:
    """The newest whole state in a resume folder; states are renamed into place when whole."""
    states = sorted(resume.glob("step-*"))
    return states[-1] if states else None


def _report(record: Record, first: int, stop: int, began: float) -> None:
    step = record["step"]
    rate = (step - first) / max(time.monotonic() - began, 1e-9)
    remaining = (stop - step) / rate if rate > 0 and step > first else math.nan
    best = max(max(layer) for layer in record["prefix_matching"])
    log.info(
        "step %d of %d, loss %.3f, held-out %.3f, best prefix-matching %.3f, %.1f steps/s, %.0f s left",
        step, stop, record["train_loss"], record["held_out_loss"], best, rate, remaining,
    )  # fmt: skip


def write_records(records: list[Record], steps: Path, heads: Path) -> None:
    """Write the metrics by step, and by step and head."""
    for path, table in zip((steps, heads), tables(records), strict=True):
        files.write_table(path, table)


def tables(records: list[Record]) -> tuple[dict[str, list], dict[str, list]]:
    """Split records into a table a step and a table a step and head."""
    scalars = [name for name, value in records[0].items() if not isinstance(value, list)]
    metrics = [name for name, value in records[0].items() if isinstance(value, list)]
    steps: dict[str, list] = {name: [record[name] for record in records] for name in scalars}
    heads: dict[str, list] = {name: [] for name in ("step", "layer", "head", *metrics)}
    for record in records:
        for layer, row in enumerate(record[metrics[0]]):
            for head in range(len(row)):
                heads["step"].append(record["step"])
                heads["layer"].append(layer)
                heads["head"].append(head)
                for metric in metrics:
                    heads[metric].append(record[metric][layer][head])
    return steps, heads
