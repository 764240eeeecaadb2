"""Training along a schedule, resumable at any step.

Not `transformers.Trainer`: a run here must follow a given schedule row by row, with roles
that mask, replace and insert samples and with batches of unequal size; branch from a saved
optimizer state; and give bit-equal numbers after a kill. The Trainer draws its own order,
skips batches to resume, and saves its state by pickle.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import compilation, memory, output_layer
from mda.models import model as models
from mda.runtime import files, interruption, parallel, saves
from mda.runtime.errors import UserError
from mda.training import acceleration, adamw, evaluations, schedule

log = logging.getLogger(__name__)

# Steps between looks at the losses on a GPU, for which Python waits until it has done all that it was told.
LOOK_EVERY = 16


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
        """Folder of this very run's saves; see `mda.runtime.saves.folder`."""
        return saves.folder(self.resume)


@dataclass
class StepLoss:
    """The losses of a step's updates, left on the device until they are asked for.

    Attributes:
        parts: an update's mean loss, of no shape, and the number of its rows.
    """

    step: int
    parts: list[tuple[torch.Tensor, int]] = field(default_factory=list)

    def value(self) -> float:
        """Mean loss of the step's tokens in nats; nan of a step without updates.

        Raises:
            UserError: when a loss is not finite.
        """
        total, rows = 0.0, 0
        for loss, count in self.parts:
            value = float(loss)
            if not math.isfinite(value):
                raise UserError(
                    f"training diverged: the loss of step {self.step} is {value}; lower "
                    "run.optimizer.learning_rate or raise its warmup_steps"
                )
            total, rows = total + value * count, rows + count
        return total / rows if rows else math.nan


class Trainer:
    """Follows a schedule from one step to another, alone or with other processes.

    Attributes:
        records: one record an evaluation step: `step`, `train_loss` (of the step before; nan
            at the start), `learning_rate`, and what the evaluator measured. Only the first
            process evaluates and saves.
        rows_at_once: rows that pass through the model together; a batch of more accumulates
            gradients. None is as many as fit.
        plan: what makes it fast on this device; None until it is decided, at the first update.
    """

    rows_at_once: int | None = None
    plan: acceleration.Plan | None = None

    def __init__(
        self,
        stream: schedule.Schedule,
        train: TokenStore,
        synthetic: TokenStore | None,
        optimizer: sections.Optimizer,
        numerics: sections.Numerics,
        evaluate: Callable[[PreTrainedModel], evaluations.Record],
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
        self.records: list[evaluations.Record] = []
        self._graph: acceleration.Graph | None = None

    def batches(self, step: int) -> Iterator[torch.Tensor]:
        """Tokens of the rows of a step that give a gradient, shape (rows, context + 1) an update.

        A masked row's loss has weight zero, so leaving it out gives the same gradient.
        """
        return (self.batch(rows, roles) for rows, roles in self.stream.at(step))

    def batch(self, rows: np.ndarray, roles: np.ndarray) -> torch.Tensor:
        """The same of one update, of these rows and roles: synthetic rows come last."""
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

        Raises:
            UserError: when the loss is not finite.
        """
        return self.begin(model, optimizer, step).value()

    def begin(self, model: PreTrainedModel, optimizer: torch.optim.AdamW, step: int) -> StepLoss:
        """The same, but it does not wait for the device: the loss is read when it is asked for."""
        found = StepLoss(step)
        for batch in self.batches(step):
            if len(batch) == 0:
                continue
            loss = self.gradient(model, batch)
            self.apply(model, optimizer, step)
            found.parts.append((loss, len(batch)))
        return found

    def apply(self, model: PreTrainedModel, optimizer: torch.optim.AdamW, step: int) -> None:
        """The update of a step, by the gradient in the model, which then is gone; see `update.updated`."""
        torch.nn.utils.clip_grad_norm_(model.parameters(), self.settings.clip)
        for group in optimizer.param_groups:
            group["lr"] = adamw.learning_rate(self.settings, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def gradient(self, model: PreTrainedModel, batch: torch.Tensor) -> torch.Tensor:
        """Leave the gradient of the batch's mean loss in the model; returns this loss.

        Accumulated over parts of the batch that fit the device, and over the processes.
        """
        mine = parallel.share(batch)
        first = self.plan is None
        plan, at_once = self.decided(model, batch.shape[1] - 1)
        began = time.monotonic()
        while True:
            try:
                loss = self._accumulate(model, mine, at_once, len(batch))
                break
            except torch.cuda.OutOfMemoryError:
                if at_once == 1:
                    raise UserError(
                        "one row does not fit the GPU; set numerics.attention to sdpa or lower tokens.context"
                    ) from None
                model.zero_grad(set_to_none=True)
                if plan.graph:
                    self.plan = plan = self._prepare(model, acceleration.PLANS["fused"])
                torch.cuda.empty_cache()
                self.rows_at_once = at_once = at_once // 2
                log.info("out of GPU memory: going on with %d rows at once", at_once)
            except RuntimeError as error:
                # Only what was just compiled or recorded for the first time.
                if not first or not plan.same_shape:
                    raise
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                log.warning("numerics.acceleration: %s fails here (%s): going on without", plan, reason)
                model.zero_grad(set_to_none=True)
                self.plan = plan = self._prepare(model, acceleration.PLANS["fused"])
        if first and plan.same_shape:
            log.info("compiling and recording the first update took %.0f s", time.monotonic() - began)
        return parallel.sum_gradients(list(model.parameters()), loss)

    def decided(self, model: PreTrainedModel, context: int) -> tuple[acceleration.Plan, int]:
        """The plan, and the rows at once, decided at the first call."""
        asked = self.numerics.acceleration
        if self.rows_at_once is None:
            logits = not acceleration.fused(asked, model)
            self.rows_at_once = memory.rows_at_once(model, context, logits)
        if self.plan is None:
            self.largest = -(-self.stream.largest_update() // parallel.size())
            rows, updates = self.stream.ordered()
            size = acceleration.Size(rows * context, updates, self.largest <= self.rows_at_once)
            self.plan = self._prepare(model, acceleration.plan(asked, model, size))
        return self.plan, self.rows_at_once

    def _prepare(self, model: PreTrainedModel, plan: acceleration.Plan) -> acceleration.Plan:
        self._graph = None
        self._of_logits = acceleration.of_logits(plan.compiled)
        (compilation.compile_layers if plan.compiled else compilation.undo)(model)
        return plan

    def _accumulate(
        self, model: PreTrainedModel, mine: torch.Tensor, at_once: int, rows: int
    ) -> torch.Tensor:
        place = next(model.parameters()).device
        total = torch.zeros((), device=place)
        assert self.plan is not None
        if self.plan.fused:
            weight = torch.full((), 1 / (rows * (mine.shape[1] - 1)), device=place)
            size = min(at_once, self.largest)
            for part in mine.split(size):
                if len(part) > 0:
                    total += self._fused(model, part, size, weight)
            return total
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

    def _fused(
        self, model: PreTrainedModel, part: torch.Tensor, size: int, weight: torch.Tensor
    ) -> torch.Tensor:
        """A part's loss, times the weight of a token, and its gradient."""
        assert self.plan is not None
        if weight.device.type == "cuda":
            # Python goes on while it is copied.
            tokens = part.pin_memory().to(weight.device, non_blocking=True)
        else:
            tokens = part
        labels = tokens[:, 1:]
        if self.plan.same_shape and len(part) < size:
            missing = (0, 0, 0, size - len(part))
            labels = functional.pad(labels, missing, value=output_layer.IGNORED)
            tokens = functional.pad(tokens, missing)
        given = (tokens[:, :-1], labels, weight)

        def work(read: torch.Tensor, following: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            with models.precision(weight.device, self.numerics.training):
                loss = output_layer.summed(model, read, following, self._of_logits) * weight
            loss.backward()
            return loss.detach()

        if not self.plan.graph:
            return work(*given)
        if self._graph is None or self._graph.network is not model:
            self._graph = acceleration.Graph(model, work, *given)
        return self._graph(*given)

    def follow(
        self,
        model: PreTrainedModel,
        optimizer: torch.optim.AdamW,
        start: int,
        stop: int,
        checkpoint: Callable[[PreTrainedModel, torch.optim.AdamW, int], None] | None = None,
        kept: Collection[int] = (),
    ) -> PreTrainedModel:
        """Train from `start` to `stop`, evaluating on the way, from the last save if there is one.

        On a GPU a loss that is not finite is told some steps later, but before anything is measured or saved.

        Args:
            checkpoint: called at the steps `kept`, before their update, and after the last.

        Raises:
            UserError: when the process was told to end; the state is saved. When the training diverged.
        """
        state = parallel.same(latest(self.cadence.folder))
        if state is not None:
            model, optimizer = adamw.load_state(state, self.settings, self.numerics)
            record = files.read_json(state / "progress.json")
            start, self.records = record["step"], record["records"]
            loss = record["train_loss"]
            log.info("resumed at step %d", start)
        else:
            loss = math.nan
        model.train()
        began = saved = time.monotonic()
        first, main = start, parallel.rank() == 0
        waits = acceleration.on_gpu(self.numerics.acceleration, model)
        measured = compilation.sharing_weights(model) if waits else model
        unread: list[StepLoss] = []
        for step in range(start, stop + 1):
            due = (step - self.cadence.origin) % self.cadence.evaluate_every == 0 or step in (0, stop)
            if due or step in kept or not waits or step % LOOK_EVERY == 0:
                loss = _read(unread, loss)
            if main and due and (not self.records or self.records[-1]["step"] < step):
                self.records.append(self._measure(measured, step, loss))
                evaluations.report(self.records[-1], first, stop, began)
            if main and checkpoint is not None and step in kept:
                checkpoint(model, optimizer, step)
            if step == stop:
                break
            told = parallel.any_of(interruption.asked())
            if main and step > first and (told or time.monotonic() - saved >= self.cadence.save_seconds):
                loss = _read(unread, loss)
                self._save(model, optimizer, step, loss)
                saved = time.monotonic()
            if told:
                # The first saves.
                parallel.meet()
                log.info("told to end at step %d, whose state is safe", step)
                interruption.hand_back(progressed=step > first)
                raise UserError(f"told to end at step {step}; run again to go on from there")
            unread.append(self.begin(model, optimizer, step))
        return model

    def _measure(self, model: PreTrainedModel, step: int, loss: float) -> evaluations.Record:
        rate = adamw.learning_rate(self.settings, step)
        return {"step": step, "train_loss": loss, "learning_rate": rate, **self.evaluate(model)}

    def _save(self, model: PreTrainedModel, optimizer: torch.optim.AdamW, step: int, loss: float) -> None:
        before = latest(self.cadence.folder)
        with files.whole(self.cadence.folder / f"step-{step:06d}") as part:
            adamw.save_state(part, model, optimizer)
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


def _read(unread: list[StepLoss], loss: float) -> float:
    """The last of the losses not read yet, or else `loss`; refuses any that is not finite."""
    for each in unread:
        loss = each.value()
    unread.clear()
    return loss
