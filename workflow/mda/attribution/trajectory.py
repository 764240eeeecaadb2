"""Influence through the training that happened: the derivative of its outcome in every sample's weight.

Give sample i of the training a weight w_i on its loss: 1, or 0 of a masked one. An outcome O is a function of
all w through every update. One walk backwards through the updates gives dO/dw_i of all samples (arXiv
2503.13751 and 2504.16430). Of an update with the gradient g, the mean over its n unmasked rows, let u be the
derivative of O in g, by `mda.training.update.backward`. Then

    dO/dw_i = (grad l_i . u) / n    and    dO/dtheta  gets  H u,

with l_i the mean loss of the row's tokens and H the Hessian of the update's loss. Both are central
differences of ordinary passes, at theta + h u and theta - h u: nothing is differentiated twice.

Several processes walk together as they train together: each passes its part of an update's rows.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from mda.attribution import outcomes
from mda.attribution.outcomes import Outcome
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import output_layer
from mda.runtime import files, interruption, parallel
from mda.runtime.errors import UserError
from mda.runtime.progress import Progress
from mda.training import schedule, update
from mda.training.tape import Tape, ToldToEnd, Update
from mda.training.training import Trainer

log = logging.getLogger(__name__)

# Length of the step of central differences, as a share of the norm of the weights: short for the cubic term,
# long for rounding.
STEP = {torch.float32: 3e-4, torch.float64: 1e-6}


class Found(NamedTuple):
    """What a walk finds.

    Attributes:
        scores: dO/dw_i, shape (outcomes, rows of the stream), float64; nan of rows of an update that was not
            made, because all its rows are masked.
        curves: the value of every outcome's measure, shape (outcomes, evaluations).
        norms: of dO/dtheta before every update, shape (outcomes, updates).
    """

    scores: np.ndarray
    curves: np.ndarray
    norms: np.ndarray


@dataclass
class Position:
    """How far a walk has come.

    Attributes:
        number: the number of updates that lie before it.
        adjoints: of the state after as many updates, for each outcome.
        scores, norms: as in `Found`.
    """

    number: int
    adjoints: list[update.Adjoint]
    scores: np.ndarray
    norms: np.ndarray


@dataclass
class Walk:
    """The walk through one training, forwards to keep its states, then backwards.

    Attributes:
        tape: the training.
        asked: the outcomes.
        steps: at which the training is evaluated, ascending.
        save_seconds: time between two saves to resume from.
    """

    tape: Tape
    asked: Sequence[Outcome]
    steps: Sequence[int]
    save_seconds: float
    _due: dict[int, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Find how many updates lie before each evaluation."""
        before = np.searchsorted([each.step for each in self.tape.updates], self.steps)
        self._due = {}
        for step, number in zip(self.steps, before, strict=True):
            self._due.setdefault(int(number), []).append(step)
        self.exact = copy.copy(self.tape.trainer)
        # In bf16 there is no difference between two near points.
        self.exact.numerics = self.tape.trainer.numerics.model_copy(update={"training": "fp32"})

    def follow(self) -> Found:
        """Train and walk back, from the last save if there is one.

        Raises:
            UserError: when the process was told to end; the state is saved. When the training diverged. When
                the GPU has too little memory.
        """
        try:
            return self._follow()
        except torch.cuda.OutOfMemoryError:
            raise UserError(
                "the walk back through a training does not fit the GPU with the states of "
                f"{self.tape.length} updates; set trajectory.keep_every to fewer, or "
                "have fewer jobs share the GPU (mda run --jobs-per-gpu 1)"
            ) from None

    def _follow(self) -> Found:
        curves, first = self.tape.folder / "curves.json", parallel.rank() == 0
        trained = not parallel.same(curves.exists())
        if trained:
            recorded: dict[str, list] = {"values": []}
            self.tape.forward(lambda number: self._measure(number, recorded["values"]), recorded)
            if first:
                files.write_json(curves, recorded)
        values = np.array(parallel.same(files.read_json(curves)["values"] if first else None))
        position = self._resumed()
        self._back(position, trained)
        shape = (len(self.steps), len(self.asked))
        return Found(position.scores, values.reshape(shape).T, position.norms)

    def _measure(self, number: int, values: list[list[float]]) -> None:
        """Note the outcomes' measures at every step that is evaluated after so many updates."""
        if number not in self._due or parallel.rank() > 0:
            return
        found = [outcomes.value(self.tape.model, outcome.measure) for outcome in self.asked]
        values += [found] * len(self._due[number])

    def _back(self, position: Position, trained: bool) -> None:
        """Walk to the beginning.

        Args:
            trained: whether this process has come forward to the end before.
        """
        begun, saved = position.number, time.monotonic()
        progress = Progress("walked back", sum(len(each.rows) for each in self.tape.updates[:begun]))
        while position.number > 0:
            told = parallel.any_of(interruption.asked())
            if parallel.rank() == 0 and (told or time.monotonic() - saved >= self.save_seconds):
                self._save(position)
                saved = time.monotonic()
            if told:
                # The first saves.
                parallel.meet()
                log.info("told to end (SIGTERM) at update %d, whose state is safe", position.number)
                interruption.hand_back(progressed=trained or position.number < begun)
                raise UserError(f"told to end at update {position.number}; run again to go on from there")
            try:
                # States are made again before anything is added to the position.
                self._add_outcomes(position)
                self._one_back(position)
            except ToldToEnd:
                continue
            progress.advance(len(self.tape.updates[position.number].rows))

    def _add_outcomes(self, position: Position) -> None:
        """Add to the adjoints how the outcomes depend directly on the weights at this position."""
        due = self._due.get(position.number, [])
        for number, outcome in enumerate(self.asked):
            weight = sum(outcome.weight(step, self.steps) for step in due)
            if weight == 0:
                continue
            self.tape.flat.write_weights(self.tape.weights_after(position.number))
            outcomes.differentiate(self.tape.model, outcome.measure[parallel.rank() :: parallel.size()])
            adjoint = position.adjoints[number]
            found = parallel.summed(self.tape.flat.gradient(partly=True))
            position.adjoints[number] = adjoint._replace(weights=adjoint.weights + weight * found)
        self.tape.model.zero_grad(set_to_none=True)

    def _one_back(self, position: Position) -> None:
        """Through the last update before the position."""
        made = self.tape.made(position.number - 1)
        position.number -= 1
        done = self.tape.updates[position.number]
        parts = update.backward(made.state, made.gradient, self.tape.rule(done), position.adjoints)
        place = slice(done.first, done.first + len(done.rows))
        for number, (worth, before) in enumerate(parts):
            curved, products = self._differences(done, made.state.weights, worth)
            position.adjoints[number] = before._replace(weights=before.weights + curved)
            position.scores[number, place] = products / done.counted.sum()
            position.norms[number, position.number] = float(position.adjoints[number].weights.norm())

    def _differences(
        self, done: Update, weights: torch.Tensor, worth: torch.Tensor
    ) -> tuple[torch.Tensor, np.ndarray]:
        """H u, shape (weights,), and grad l . u of every row, shape (rows,), with u = `worth`."""
        length = float(torch.linalg.vector_norm(worth))
        if length == 0:
            return torch.zeros_like(weights), np.zeros(len(done.rows))
        h = STEP[weights.dtype] * float(torch.linalg.vector_norm(weights)) / length
        tokens = rows_of(self.exact, done)
        found = []
        for sign in (1, -1):
            self.tape.flat.write_weights(torch.add(weights, worth, alpha=sign * h))
            losses = row_losses(self.exact, self.tape.model, tokens, done.counted)
            found.append((self.tape.flat.gradient(), losses))
            self.tape.model.zero_grad(set_to_none=True)
        (gradient_up, losses_up), (gradient_down, losses_down) = found
        return (gradient_up - gradient_down) / (2 * h), (losses_up - losses_down) / (2 * h)

    def _resumed(self) -> Position:
        """Where a killed walk stood, or else the end of the training."""
        saves = parallel.same(sorted(self.tape.folder.glob("back-*")))
        updates, rows = len(self.tape.updates), len(self.tape.trainer.stream.row)
        if not saves:
            zero = torch.zeros_like(self.tape.flat.read_weights())
            return Position(
                updates,
                [update.Adjoint(zero, zero, zero) for _ in self.asked],
                np.full((len(self.asked), rows), np.nan),
                np.full((len(self.asked), updates), np.nan),
            )
        # Of the newest save: it has the fewest updates before it.
        number = files.read_json(saves[0] / "position.json")["number"]
        kept = load_file(saves[0] / "walk.safetensors")
        place = next(self.tape.model.parameters()).device
        adjoints = [
            update.Adjoint(*(kept[f"{key}-{each}"].to(place) for key in update.Adjoint._fields))
            for each in range(len(self.asked))
        ]
        log.info("resumed the walk back at update %d of %d", number, updates)
        return Position(number, adjoints, kept["scores"].numpy(), kept["norms"].numpy())

    def _save(self, position: Position) -> None:
        before = sorted(self.tape.folder.glob("back-*"))
        tensors = {
            f"{key}-{each}": tensor.cpu().contiguous()
            for each, adjoint in enumerate(position.adjoints)
            for key, tensor in adjoint._asdict().items()
        }
        tensors |= {"scores": torch.from_numpy(position.scores), "norms": torch.from_numpy(position.norms)}
        path = self.tape.folder / f"back-{position.number:08d}"
        with files.whole(path) as part:
            part.mkdir()
            save_file({name: tensor.clone() for name, tensor in tensors.items()}, part / "walk.safetensors")
            files.write_json(part / "position.json", {"number": position.number})
        for other in before:
            if other != path:
                files.remove(other)


def numerics_of(given: sections.Numerics) -> sections.Numerics:
    """The numerics of the same training without compiled code and CUDA graphs, which are of one shape."""
    on_cpu = parallel.device().type == "cpu"
    kept = given.acceleration if given.acceleration == "plain" or on_cpu else "fused"
    return given.model_copy(update={"acceleration": kept})


def rows_of(trainer: Trainer, done: Update) -> torch.Tensor:
    """The tokens of all rows of an update, masked ones too, in its order; shape (rows, context + 1)."""
    generated = done.roles == schedule.SYNTHETIC

    def of(store: TokenStore | None, chosen: np.ndarray) -> np.ndarray:
        assert store is not None
        return store.take(done.rows[chosen])

    kept = trainer.train_store
    tokens = np.empty((len(done.rows), kept.tokens.shape[1]), dtype=np.int64)
    if not generated.all():
        tokens[~generated] = of(kept, ~generated)
    if generated.any():
        tokens[generated] = of(trainer.synthetic_store, generated)
    return torch.from_numpy(tokens)


def row_losses(
    trainer: Trainer, model: PreTrainedModel, tokens: torch.Tensor, counted: np.ndarray
) -> np.ndarray:
    """Leave the gradient of the counted rows' mean loss in the model; returns the mean loss of every row.

    Each process passes its part of the rows, and has the result of all.

    Args:
        tokens: shape (rows, context + 1).
        counted: which rows give a gradient, shape (rows,).

    Returns:
        Shape (rows,), float64, in nats.
    """
    plan, at_once = trainer.decided(model, tokens.shape[1] - 1)
    place = next(model.parameters()).device
    if plan.fused:
        trainer.gradient(model, tokens[torch.from_numpy(counted)])
    mine, shares = parallel.share(tokens), parallel.share(torch.from_numpy(counted / counted.sum()))
    found = torch.zeros(len(mine), dtype=torch.float64, device=place)
    for begin in range(0, len(mine), at_once):
        part = slice(begin, begin + at_once)
        read = mine[part].to(place)
        if plan.fused:
            with torch.no_grad():
                losses = output_layer.losses(model, read[:, :-1], read[:, 1:]).mean(dim=1)
        else:
            logits = model(read[:, :-1], use_cache=False).logits
            losses = models.cross_entropies(logits, read[:, 1:]).mean(dim=1)
            (losses * shares[part].to(losses)).sum().backward()
        found[part] = losses.detach()
    if not plan.fused:
        parallel.sum_gradients(list(model.parameters()), torch.zeros((), device=place))
    return parallel.gathered(found, len(tokens)).cpu().numpy()
