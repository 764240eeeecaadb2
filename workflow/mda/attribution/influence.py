"""Influence of training samples on units, by EK-FAC restricted to the units' parameters.

    I(z) = - grad L(z)^T  H^-1  grad f        (arXiv 2601.21996, eq. for I_MDA)

L is the summed cross-entropy of the sample, f the probe (higher is better), H the damped
curvature of each block. I > 0: training on z strengthens the unit.

With D = H^-1 grad f of a block, known before, a sample's score is the sum over its tokens of -g^T D x: one
product of the size of the block, of all blocks of a layer together. No sample's gradient is formed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from mda.attribution import curvature, passes, watching
from mda.attribution.curvature import Factors
from mda.attribution.pass_saves import PassSaves
from mda.attribution.passes import Rows
from mda.attribution.watching import Block, Seen
from mda.config import sections
from mda.models import model as models
from mda.models.architectures import ALL, Part
from mda.models.units import Unit
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Query:
    """What one target is asked: a probe, on its tokens.

    Attributes:
        target: the target's name.
        units: its heads or neurons.
        probe: the measure; see `mda.attribution.probes`.
        tokens: shape (sequences, length); the probe is summed over all of them.
    """

    target: str
    units: Sequence[Unit]
    probe: Callable[[nn.Module, torch.Tensor, Sequence[Any]], torch.Tensor]
    tokens: torch.Tensor


def probe_gradients(
    model: PreTrainedModel,
    query: Query,
    blocks: Sequence[Block],
    precision: sections.ScoringPrecision = "fp32",
) -> dict[str, torch.Tensor]:
    """The gradient of a query's probe in blocks: name -> shape (outputs, inputs).

    However often the probe calls the model; zero in a block that it does not depend on.

    Raises:
        UserError: when the probe's sequences do not fit the GPU. They are not split: a probe may be of all.
    """
    found = {}
    # A probe may read attention patterns.
    with models.attention(model, "eager"), watching.watched(model, blocks) as seen:
        try:
            # A probe that is a sum over batches keeps the activations of one at a time.
            for probe in getattr(query.probe, "parts", (query.probe,)):
                with models.precision(query.tokens.device, precision):
                    value = probe(model, query.tokens, query.units)
                if value.requires_grad:
                    value.backward()
        except torch.cuda.OutOfMemoryError:
            raise UserError(
                f"the probe of target {query.target} does not fit the GPU with {len(query.tokens)} sequences "
                f"of {query.tokens.shape[1]} tokens; lower probes.<its name>.sequences or length, "
                "or give it shorter texts"
            ) from None
        for block in blocks:
            gradient = seen.gradient(block)
            if gradient is None:
                weights = watching.weights(model, block)
                gradient = torch.zeros_like(weights, dtype=torch.promote_types(weights.dtype, torch.float32))
            found[block.name] = gradient
    return found


class Direction(NamedTuple):
    """H^-1 grad f of one query in one block, and where its score belongs."""

    query: int
    kind: str
    block: Block
    weights: torch.Tensor


class Tracker:
    """A model whose target units are watched.

    Attributes:
        blocks: unit -> kind -> block.
        precision: of the model's passes; bf16 is autocast, bf16_weights of a model whose weights are so.
            Scores are products of its gradients and activations in the same precision. All sums are in
            float32, and so is what factors are made of.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        units: Sequence[Unit],
        label_seed: int,
        queries: Sequence[Query] = (),
        precision: sections.ScoringPrecision = "fp32",
    ) -> None:
        """Freeze the model, which cannot be trained afterwards."""
        self.model = model.eval().requires_grad_(False)
        self.blocks = watching.blocks_of(model, units)
        self.seed = label_seed
        self.queries = queries
        self.precision = precision

    def fit(self, rows: Rows, strategy: str, batch_size: int) -> Factors:
        """Curvature factors of every block, in one go."""
        return curvature.fit(*self._watched(rows), strategy, self.seed, batch_size, self.precision)

    def covariances(self, rows: Rows, batch_size: int) -> Factors:
        """See `curvature.covariances`."""
        return curvature.covariances(*self._watched(rows), self.seed, batch_size, self.precision)

    def lambdas(self, rows: Rows, eigen: Factors, batch_size: int) -> Factors:
        """See `curvature.lambdas`."""
        return curvature.lambdas(*self._watched(rows), eigen, self.seed, batch_size, self.precision)

    def _watched(self, rows: Rows) -> tuple[PreTrainedModel, list[Block], Rows]:
        return self.model, watching.all_blocks(self.blocks), rows

    def score(
        self,
        rows: Rows,
        factors: Factors,
        strategy: str,
        damping: float,
        batch_size: int,
        floor: float | None = None,
        by_position: bool = False,
        saved: PassSaves | None = None,
    ) -> Iterator[tuple[Query, dict[str, np.ndarray]]]:
        """Influence of each row on each query's target, all in one pass over the rows.

        Args:
            damping: added to the eigenvalues, as a multiple of each block's mean eigenvalue.
            floor: the least that they may be then, or None.
            by_position: give it by input position (Grosse et al. 2023, arXiv 2308.03296). The gradient of a
                block is a sum over positions of g x^T, and so is the score. A position counts for what the
                block does there, which the losses of later positions depend on too.
            saved: where the pass keeps what it has found, to go on from after a kill.

        Yields:
            A query, and the parts of its units' blocks, each summed over the units (`qk`, `v`,
            `o` of heads, `in`, `out` of neurons), and `loss`: the row's summed cross-entropy in
            nats; float32 arrays of shape (rows,). By position the parts have shape (rows, context), sum to
            those, and have no loss beside them. A block without curvature or gradient has zeros and is
            logged.

        Raises:
            UserError: when an influence is not finite; it names target and block.
        """
        directions = self.directions(factors, strategy, damping, floor)
        losses, scores = self.along(directions, rows, batch_size, by_position, saved)
        for query, parts in zip(self.queries, scores, strict=True):
            _refuse_unknown(query, parts, losses)
            yield query, parts if by_position else {**parts, "loss": losses}

    def along(
        self,
        directions: Sequence[Direction],
        rows: Rows,
        batch_size: int,
        by_position: bool = False,
        saved: PassSaves | None = None,
    ) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
        """One pass over the rows: their losses, and each query's parts as `score` has them."""
        columns: dict[tuple[int, str], int] = {}
        for direction in directions:
            columns.setdefault((direction.query, direction.kind), len(columns))
        kind = torch.float32 if self.precision == "fp32" else torch.bfloat16
        groups = [_Group(group, columns, kind) for group in _sharing_a_side(directions)]

        def work(seen: Seen, losses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            tokens = (rows.store.tokens.shape[1] - 1,) if by_position else ()
            found = losses.new_zeros((len(losses), *tokens, len(columns)))
            for group in groups:
                found.index_add_(-1, group.columns, group.scores(seen, by_position).to(found.dtype))
            # At once: Python waits for the device at every copy.
            return losses.cpu(), found.cpu()

        blocks = list({direction.block.name: direction.block for direction in directions}.values())

        def run(part: Rows) -> Iterator[tuple[torch.Tensor, ...]]:
            return passes.over(self.model, blocks, part, batch_size, work, "scored", self.precision)

        batches = list(run(rows) if saved is None else saved.resumed(rows, run))
        losses, scores = (torch.cat(parts).float().numpy() for parts in zip(*batches, strict=True))
        found: list[dict[str, np.ndarray]] = [{} for _ in self.queries]
        for (query, name), column in columns.items():
            found[query][name] = np.ascontiguousarray(scores[..., column])
        return losses, found

    def directions(
        self, factors: Factors, strategy: str, damping: float, floor: float | None = None
    ) -> list[Direction]:
        """H^-1 grad f of every query and block: what is computed once, before the samples."""
        found = []
        for number, query in enumerate(self.queries):
            own = [(kind, block) for unit in query.units for kind, block in self.blocks[unit].items()]
            gradients = finite(
                query, probe_gradients(self.model, query, [block for _, block in own], self.precision)
            )
            for kind, block in own:
                gradient = gradients[block.name]
                made = curvature.preconditioned(block, gradient, factors, strategy, damping, floor)
                _tell(f"target {query.target}, block {block.name}", gradient, made, floor)
                found.append(Direction(number, kind, block, made.weights))
        return found


def finite(query: Query, gradients: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The gradients, or zeros for all of a target of which one is not finite, so that the others go on."""
    broken = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
    if not broken:
        return gradients
    log.error(
        "target %s, block %s: the gradient of its probe is not finite, so that the target counts 0 in every "
        "sample; choose another attribution.checkpoint or probe",
        *(query.target, ", ".join(broken)),
    )
    return {name: torch.zeros_like(gradient) for name, gradient in gradients.items()}


def _tell(place: str, gradient: torch.Tensor, made: curvature.Preconditioned, floor: float | None) -> None:
    """Log what a reader of the scores must know of a block."""
    if made.flat and floor is None:
        log.warning("%s: has no curvature, for no fitted sample has a gradient there: it counts 0", place)
    elif not gradient.any():
        log.info("%s: the probe has no gradient there: it counts 0", place)
    elif floor is not None:
        log.info("%s: %.3g %% of the eigenvalues are below the floor %g", place, 100 * made.floored, floor)


def _refuse_unknown(query: Query, parts: dict[str, np.ndarray], losses: np.ndarray) -> None:
    if not np.isfinite(losses).all():
        raise UserError(
            f"target {query.target}: the loss of {_share(losses)} samples is not finite, so the model is "
            "broken at this step; choose an earlier attribution.checkpoint"
        )
    for kind, values in parts.items():
        if not np.isfinite(values).all():
            raise UserError(
                f"target {query.target}, block {kind}: the influence of {_share(values)} samples is not "
                "finite; set attribution.floor to 1.0e-5, or choose another attribution.checkpoint"
            )


def _share(values: np.ndarray) -> str:
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return f"{bad.sum()} of {len(values)}"


def _sharing_a_side(directions: Sequence[Direction]) -> Iterator[list[Direction]]:
    """Directions that can be applied in one product: they read the same, or write the same."""
    groups: dict[str, list[Direction]] = defaultdict(list)
    for direction in directions:
        block = direction.block
        groups[block.written if block.reads_a_part else block.read].append(direction)
    yield from groups.values()


class _Group:
    """Directions that share a side, as one matrix.

    Attributes:
        columns: of the scores, those that the directions add to, shape (columns,).
    """

    def __init__(
        self, directions: Sequence[Direction], columns: Mapping[tuple[int, str], int], kind: torch.dtype
    ) -> None:
        """Join them.

        Args:
            columns: of the scores, by query and kind.
            kind: the type of the products' factors, if that of the directions is float32; what is summed
                over tokens and weights is summed in float32 or better.
        """
        first, weights = directions[0].block, directions[0].weights
        self.by_output = first.reads_a_part
        self.kind = kind if weights.dtype == torch.float32 else weights.dtype
        self.exact = torch.promote_types(self.kind, torch.float32)
        read = [direction.block.reads for direction in directions]
        written = [part for direction in directions for part in direction.block.writes]
        self.shared = list(first.writes) if self.by_output else [first.reads]
        self.own = _joined(read if self.by_output else written)
        # (what they share, all of what each has of its own)
        parts = [each.weights if self.by_output else each.weights.T for each in directions]
        self.joint = torch.cat(parts, dim=1).to(self.kind)
        own = [columns[each.query, each.kind] for each in directions]
        mine, places = np.unique(own, return_inverse=True)
        self.columns = torch.from_numpy(mine).to(weights.device)
        # (all of what each has of its own, columns): which products each column is the sum of.
        belongs = np.repeat(places, [part.shape[1] for part in parts])[:, None] == np.arange(len(mine))
        self.belongs = torch.from_numpy(belongs).to(weights.device, self.exact)

    def scores(self, seen: Seen, by_position: bool) -> torch.Tensor:
        """What the directions add to each column, by sample, and by position if asked.

        Returns:
            Shape (batch, tokens, columns) or (batch, columns), float32 or better.
        """
        products = (self._side(seen, self.shared, self.by_output) @ self.joint).mul_(
            self._side(seen, self.own, not self.by_output)
        )
        sums = products.to(self.exact) if by_position else products.sum(dim=1, dtype=self.exact)
        return -(sums @ self.belongs)

    def _side(self, seen: Seen, parts: Sequence[Part], outputs: bool) -> torch.Tensor:
        found = [seen.part(part, outputs).to(self.kind) for part in parts]
        return found[0] if len(found) == 1 else torch.cat(found, dim=-1)


def _joined(parts: Sequence[Part]) -> list[Part]:
    """The same features in the same order, with neighbours in one: all of an output need not be copied."""
    found = [parts[0]]
    for part in parts[1:]:
        rows = _follows(found[-1].rows, part.rows)
        columns = _follows(found[-1].columns, part.columns)
        if found[-1].module == part.module and rows is not None and part.columns == ALL:
            found[-1] = Part(part.module, rows=rows)
        elif found[-1].module == part.module and columns is not None and part.rows == ALL:
            found[-1] = Part(part.module, columns=columns)
        else:
            found.append(part)
    return found


def _follows(before: slice, after: slice) -> slice | None:
    """Both as one, if one begins where the other ends."""
    return slice(before.start, after.stop) if before.stop is not None and before.stop == after.start else None
