"""The states of a training, from its last to its first: some kept on disk, the others made again.

With n updates and a state kept every sqrt(n) of them, one more training suffices, and no more than sqrt(n)
states are held at a time (Griewank and Walther 2000, doi 10.1145/347837.347846, who go on to fewer).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from mda.models.memory import of_process
from mda.planning import kept_states
from mda.runtime import files, interruption, machine, parallel
from mda.runtime.errors import UserError
from mda.training import adamw, schedule, training
from mda.training.update import Flat, Rule, State

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """An update that training makes.

    Attributes:
        step: its step.
        first: the place of its first row in the stream.
        rows, roles: of the stream, shape (rows,), masked ones included.
    """

    step: int
    first: int
    rows: np.ndarray
    roles: np.ndarray

    @property
    def counted(self) -> np.ndarray:
        """Which rows give a gradient."""
        return self.roles != schedule.MASKED


def updates_of(stream: schedule.Schedule) -> list[Update]:
    """The updates of a stream in order, without those whose rows are all masked."""
    found, first = [], 0
    for step in np.unique(stream.step):
        for rows, roles in stream.at(int(step)):
            found.append(Update(int(step), first, rows, roles))
            first += len(rows)
    return [update for update in found if update.counted.any()]


class ToldToEnd(Exception):
    """The process was told to end while states were made again."""


class Made(NamedTuple):
    """What an update was made of: the state before it, and the gradient before clipping, shape (weights,)."""

    state: State
    gradient: torch.Tensor


def memory_for(place: torch.device) -> int:
    """Bytes that the states of a part may take on this device."""
    if place.type != "cuda":
        return kept_states.CPU_BYTES // parallel.size()
    return int(kept_states.GPU_SHARE * of_process(place))


class Tape:
    """A training of some updates, whose states can be asked for from the last to the first.

    Of several processes that train together, each has all states in memory, and the first keeps them on disk.

    Attributes:
        updates: its updates.
        length: updates between two states that are kept.
    """

    def __init__(
        self,
        trainer: training.Trainer,
        model: PreTrainedModel,
        optimizer: torch.optim.AdamW,
        updates: list[Update],
        folder: Path,
        length: int | None = None,
        beside: int = 0,
    ) -> None:
        """Take a model and an optimizer in the state before the first update.

        Args:
            folder: for the states.
            length: updates between two kept states; None is what `kept_states.length_of_parts` says.
            beside: vectors of the weights that are held besides, on a GPU.

        Raises:
            UserError: when the disk or the memory has no room for the states.
        """
        self.trainer, self.model, self.optimizer = trainer, model, optimizer
        self.updates, self.folder = updates, folder
        self.flat = Flat(model, optimizer)
        vector = self.flat.weights * next(model.parameters()).element_size()
        place = next(model.parameters()).device
        memory = memory_for(place) - (beside * vector if place.type == "cuda" else 0)
        self.length = length or kept_states.length_of_parts(len(updates), vector, memory)
        if parallel.rank() == 0:
            self._same_length(asked=length is not None)
        self.length = parallel.same(self.length)
        self._made: list[Made] = []
        self._last = self.flat.read_weights()
        self._begin = 0
        self._check_room(vector)

    def _same_length(self, asked: bool) -> None:
        """Go on with the length of a killed run, which may have found more memory or less.

        Args:
            asked: whether another length was asked for: then begin again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        plan = self.folder / "plan.json"
        if plan.exists():
            before = files.read_json(plan)["length"]
            if not asked or before == self.length:
                self.length = before
                return
            log.info(
                "states were kept every %d updates, and now every %d: beginning again", before, self.length
            )
            for old in (
                *self.folder.glob("state-*"),
                *self.folder.glob("back-*"),
                self.folder / "curves.json",
            ):
                files.remove(old)
        files.write_json(plan, {"length": self.length})

    def _check_room(self, vector: int) -> None:
        needed, held = kept_states.room(len(self.updates), self.length, vector)
        free = shutil.disk_usage(self.folder).free
        log.info(
            "%d updates of %d weights: states of every %d kept, %.1f GB on disk, %.1f GB in memory",
            len(self.updates), self.flat.weights, self.length, needed / 1e9, held / 1e9,
        )  # fmt: skip
        there = sum(path.stat().st_size for path in self.folder.glob("state-*"))
        if needed - there > free:
            raise UserError(
                f"{self.folder}: the states of the trajectory take {needed / 1e9:.1f} GB, but the disk has "
                f"{free / 1e9:.1f} GB free; free some, or raise trajectory.keep_every"
            )
        place = next(self.model.parameters()).device
        most = of_process(place) if place.type == "cuda" else machine.memory() * 1e6 / parallel.size()
        if held > most:
            remedy = "set trajectory.keep_every to less" if self.length > 1 else "give the job more"
            raise UserError(
                f"the states of each {self.length} updates take {held / 1e9:.1f} GB of memory, but there are "
                f"{most / 1e9:.1f} GB; {remedy}"
            )

    def rule(self, update: Update) -> Rule:
        """What an update depends on besides the state and the gradient."""
        rate = adamw.learning_rate(self.trainer.settings, update.step)
        return self.flat.rule(rate, self.trainer.settings.clip)

    def forward(self, visit: Callable[[int], None], recorded: dict[str, list]) -> None:
        """Train from the last kept state to the end, keeping states on the way.

        Args:
            visit: called with the number of updates made, before each update and at the end.
            recorded: what `visit` has recorded, saved with every state; that of a killed run is read.

        Raises:
            UserError: when the process was told to end; the kept states are safe.
        """
        kept = [self._number(path) for path in self.folder.glob("state-*.safetensors")]
        first = parallel.same(max(kept, default=None))
        if first is None:
            first = 0
        else:
            self._restore(first)
            recorded.update(files.read_json(self._path(first).with_suffix(".json"))["recorded"])
            log.info("resumed at update %d of %d", first, len(self.updates))
        self._made, self._begin = [], first
        for number in range(first, len(self.updates)):
            told = parallel.any_of(interruption.asked())
            if number % self.length == 0 or told:
                self._keep(number, recorded)
            if number % self.length == 0:
                self._made, self._begin = [], number
            if told:
                parallel.meet()
                interruption.hand_back(progressed=number > first)
                raise UserError(f"told to end at update {number}; run again to go on from there")
            visit(number)
            self._advance(number)
        visit(len(self.updates))

    def made(self, number: int) -> Made:
        """What the update of this number was made of; ask from the last to the first.

        The model is left in any state.

        Raises:
            ToldToEnd: when the process was told to end before it was made.
        """
        if not self._begin <= number < self._begin + len(self._made):
            self._begin = number - number % self.length
            self._made = []
            self._restore(self._begin)
            for each in range(self._begin, number + 1):
                if parallel.any_of(interruption.asked()):
                    self._made = []
                    raise ToldToEnd
                self._advance(each)
        return self._made[number - self._begin]

    def weights_after(self, number: int) -> torch.Tensor:
        """The weights after so many updates, shape (weights,); ask from the last to the first."""
        if self._begin < number <= self._begin + len(self._made):
            if number == self._begin + len(self._made):
                return self._last
            return self._made[number - self._begin].state.weights
        self.made(number - 1)
        return self._last

    def _advance(self, number: int) -> None:
        """Make an update as training does, noting what it was made of."""
        update = self.updates[number]
        state = self.flat.read()
        batch = self.trainer.batch(update.rows, update.roles)
        loss = self.trainer.gradient(self.model, batch)
        training.StepLoss(update.step, [(loss, len(batch))]).value()
        self._made.append(Made(state, self.flat.gradient()))
        self.trainer.apply(self.model, self.optimizer, update.step)
        self._last = self.flat.read_weights()

    def _path(self, number: int) -> Path:
        return self.folder / f"state-{number:08d}.safetensors"

    @staticmethod
    def _number(path: Path) -> int:
        return int(path.stem.partition("-")[2])

    def _keep(self, number: int, recorded: dict[str, list]) -> None:
        """Keep a state, if it is not kept already."""
        if parallel.rank() > 0 or self._path(number).exists():
            return
        state = self.flat.read()
        record = {"made": state.made, "recorded": recorded}
        files.write_json(self._path(number).with_suffix(".json"), record)
        with files.whole(self._path(number)) as part:
            save_file({"weights": state.weights, "first": state.first, "second": state.second}, part)

    def _restore(self, number: int) -> None:
        path = self._path(number)
        made = files.read_json(path.with_suffix(".json"))["made"]
        try:
            kept = load_file(path, device=str(next(self.model.parameters()).device))
        except Exception as error:  # safetensors raises its own kinds
            raise UserError(f"{path}: is no whole state; delete its folder and run again") from error
        self.flat.write(State(kept["weights"], kept["first"], kept["second"], made))
