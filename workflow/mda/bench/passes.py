"""Speed of scoring, compared with training, with a lower bound, and with one head and sample at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional
from transformers import PreTrainedModel

from mda.attribution import influence
from mda.attribution.curvature import Factors
from mda.bench import scale
from mda.bench.shapes import PRECISIONS, Setting, query, trainer
from mda.bench.timing import Spread, in_turns, table
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import architectures, memory, output_layer
from mda.models import model as models
from mda.models.units import Head
from mda.runtime import parallel
from mda.training import adamw

DAMPING = 0.1


class Scored:
    """Influence on some heads, each a target of its own."""

    def __init__(self, setting: Setting, store: TokenStore, heads: Sequence[Head]) -> None:
        self.heads = heads
        queries = [query(str(head), [head]) for head in heads]
        self.tracker = influence.Tracker(setting.model(), heads, 0, queries, setting.precision)
        self.rows = influence.Rows(store, np.arange(setting.rows))
        self.factors = self.fit()
        self.known = self.directions()

    def fit(self) -> Factors:
        """The factors."""
        return self.tracker.fit(self.rows, "ekfac", len(self.rows))

    def score(self) -> dict[str, np.ndarray]:
        """All of a shard: what is computed once, and the samples."""
        self.known = self.directions()
        return self.samples()

    def samples(self) -> dict[str, np.ndarray]:
        """The pass over the samples alone: head -> influence of each row."""
        _, scores = self.tracker.along(self.known, self.rows, len(self.rows))
        return {
            str(head): np.sum(list(parts.values()), axis=0)
            for head, parts in zip(self.heads, scores, strict=True)
        }

    def directions(self) -> list[influence.Direction]:
        """What is computed once a shard, before the samples: the probes' gradients by the curvature."""
        return self.tracker.directions(self.factors, "ekfac", DAMPING)


def least(model: PreTrainedModel, layer: int, setting: Setting, store: TokenStore) -> None:
    """A forward pass, and a backward pass of activations alone down to a layer: what no scoring can save.

    With the same output layer as scoring has: what that one wastes is not seen here, but in the share of the
    machine's operations.
    """
    model.requires_grad_(False)
    fused = architectures.module(model, layer, architectures.of(model).queries)
    handle = fused.register_forward_hook(lambda module, given, output: output.detach().requires_grad_())
    at_once = memory.rows_at_once(model, setting.context, logits=False)
    for begin in range(0, setting.rows, at_once):
        tokens = torch.from_numpy(store.take(np.arange(setting.rows)[begin : begin + at_once]))
        tokens = tokens.to(parallel.device())
        with models.precision(tokens.device, setting.precision):
            output_layer.losses(model, tokens[:, :-1], tokens[:, 1:]).sum().backward()
    handle.remove()


def one_at_a_time(
    model: PreTrainedModel, scored: Scored, gradients: dict[str, dict[str, torch.Tensor]], whole: bool
) -> dict[str, np.ndarray]:
    """The same scores as the published code computes them: head by head and sample by sample.

    A sample's gradient by autograd is cut to the head's blocks and multiplied with the preconditioned
    gradient of the probe.

    Args:
        whole: differentiate in all weights, as `loss.backward()` does; else in those of the head's layer.
    """
    found = {}
    for head in scored.heads:
        blocks = scored.tracker.blocks[head]
        names = {part.module for block in blocks.values() for part in block.writes}
        model.requires_grad_(whole)
        weights = {name: model.get_submodule(name).weight.requires_grad_() for name in sorted(names)}
        values = []
        for row in scored.rows.rows:
            tokens = torch.from_numpy(scored.rows.store.take(np.array([row]))).to(parallel.device())
            logits = model(tokens[:, :-1], use_cache=False).logits
            model.zero_grad()
            functional.cross_entropy(logits[0], tokens[0, 1:], reduction="sum").backward()
            value = 0.0
            for block in blocks.values():
                own = [weights[part.module].grad[part.rows, block.reads.columns] for part in block.writes]
                value -= float((torch.cat(own) * gradients[str(head)][block.name]).sum())
            values.append(value)
        found[str(head)] = np.array(values)
    return found


def throughput(setting: Setting, store: TokenStore, repetitions: int) -> str:
    """Training and scoring the same rows: a table of speeds and their ratios."""
    sets = {
        "one head": setting.heads(1)[:1],
        "all heads of a layer": setting.heads(1),
        "all heads of all layers": setting.heads(setting.size.layers),
    }
    scored = {name: Scored(setting, store, heads) for name, heads in sets.items()}
    rates, trained = {}, {}
    for name, mine in scored.items():
        rates[name] = against_training(setting, store, mine.samples, repetitions)
        trained[name] = against_training(setting, store, mine.fit, repetitions)
    works: dict[str, Callable[[], object]] = {
        "least": partial(least, setting.model().eval(), setting.size.layers // 2, setting, store),
        "least, all layers": partial(least, setting.model().eval(), 0, setting, store),
    }
    # What a shard of thousands pays once is measured by itself, and left out of the ratios of a few rows.
    for name, mine in scored.items():
        works |= {name: mine.samples, f"once: {name}": mine.directions}
    found = in_turns(works, repetitions)
    update = rates["all heads of a layer"]["training"].each(lambda took: setting.tokens / took)
    lines = [["an update of training", update.text(0), "1", "", "", "", "", ""]]
    for name, heads in sets.items():
        limit = found["least, all layers" if len(heads) > setting.size.heads else "least"]
        lines.append(
            [
                f"{name} ({len(heads)})",
                rates[name]["other"].each(lambda took: setting.tokens / took).text(0),
                rates[name]["training"].over(rates[name]["other"]).text(),
                found[name].over(limit).text(),
                found[name].over(found["one head"]).text(),
                _further(found[name].over(found["one head"]), len(heads)),
                found[f"once: {name}"].text(),
                trained[name]["other"].over(trained[name]["training"]).text(),
            ]
        )
    head = [
        f"{setting.shape}, {setting.precision}, {setting.rows} rows of {setting.context}",
        "tokens a second",
        "times as fast as training",
        "time / the least",
        "time / one head",
        "a further head, % of the first",
        "once a shard (a probe of 64 tokens), s",
        "factors / training",
    ]
    return table(head, lines)


def against_training(
    setting: Setting, store: TokenStore, work: Callable[[], object], repetitions: int
) -> dict[str, Spread]:
    """Seconds of an update of training and of an `other` work, which take turns.

    By themselves: among a dozen other works the same update takes half as long again on a CPU.
    """
    model, own = setting.model().train(), trainer(setting, store)
    optimizer = adamw.make_optimizer(model, own.settings)
    return in_turns({"training": partial(own.update, model, optimizer, 0), "other": work}, repetitions)


def _further(ratio: Spread, heads: int) -> str:
    return ratio.each(lambda whole: 100 * (whole - 1) / (heads - 1)).text(1) if heads > 1 else ""


def against_one_at_a_time(setting: Setting, store: TokenStore, heads: int, repetitions: int) -> str:
    """Both ways to the scores of some heads, in seconds, and how far the scores agree: a table.

    Both are given the same preconditioned gradients of the probes and compute in the same precision; what is
    compared is the pass over the samples. Ranks are compared with the plain way in fp32.
    """
    scored = Scored(setting, store, setting.heads(-(-heads // setting.size.heads))[:heads])
    gradients: dict[str, dict[str, torch.Tensor]] = {}
    for direction in scored.known:
        name = str(scored.heads[direction.query])
        gradients.setdefault(name, {})[direction.block.name] = direction.weights
    model = setting.model().eval().requires_grad_(False)
    results: dict[str, dict[str, np.ndarray]] = {}
    ways = {"in the layer's weights": False, "in all weights": True}

    def plain(name: str, precision: sections.Precision) -> None:
        with models.precision(parallel.device(), precision):
            results[f"{name}, {precision}"] = one_at_a_time(model, scored, gradients, ways[name])

    def ours(precision: sections.Precision) -> None:
        scored.tracker.precision = precision
        results[precision] = scored.samples()

    works: dict[str, Callable[[], object]] = {name: partial(ours, name) for name in PRECISIONS}
    works |= {
        f"{name}, {precision}": partial(plain, name, precision) for name in ways for precision in PRECISIONS
    }
    found = in_turns(works, repetitions)
    head = [
        "heads", "rows", "one at a time, differentiated", "passes", "s", "here, s", "times as fast",
        "rank correlation with the plain way in fp32, least of the heads",
    ]  # fmt: skip
    lines = []
    for name in ways:
        for precision in PRECISIONS:
            exact, took = results[f"{name}, fp32"], found[f"{name}, {precision}"]
            agreement = [spearmanr(results[precision][unit], exact[unit]).statistic for unit in gradients]
            lines.append(
                [
                    str(heads),
                    f"{setting.rows} of {setting.context}",
                    name,
                    precision,
                    took.text(1),
                    found[precision].text(2),
                    took.over(found[precision]).text(1),
                    f"{min(agreement):.4f}",
                ]
            )
    return table(head, lines)


def rates(
    setting: Setting, store: TokenStore, repetitions: int, peak: float | None
) -> tuple[list[str], dict[str, np.ndarray]]:
    """A line on tokens a second of training and of scoring a layer's heads; and each head's scores.

    Args:
        peak: of the device, in TFLOP/s of bf16.
    """
    scored = Scored(setting, store, setting.heads(1))
    found = against_training(setting, store, scored.samples, repetitions)
    counted = {
        "training": scale.training_operations(setting.size, setting.context),
        "other": scale.operations(setting.size, setting.context, setting.size.layers // 2),
    }
    line = [setting.shape, setting.precision, f"{setting.rows} of {setting.context}"]
    for name, took in found.items():
        line.append(took.each(lambda seconds: setting.tokens / seconds).text(0))
        done = setting.tokens * counted[name] / took.median / 1e12
        line.append(f"{done:.3g}" + ("" if peak is None else f" ({done / peak:.0%})"))
    return line, scored.score()


def rates_table(lines: list[list[str]]) -> str:
    """The lines of `rates`, each with the rank correlation of its scores with those of fp32."""
    head = [
        "shape", "passes", "rows", "training, tokens/s", "TFLOP/s (of the bf16 peak)",
        "scoring, tokens/s", "TFLOP/s (of the bf16 peak)",
        "rank correlation with fp32, least of the heads (random weights)",
    ]  # fmt: skip
    return table(head, lines)


def achieved(setting: Setting, store: TokenStore, repetitions: int) -> float:
    """Floating-point operations a second of scoring a layer's heads: the median."""
    found = in_turns({"scoring": Scored(setting, store, setting.heads(1)).samples}, repetitions)
    counted = scale.operations(setting.size, setting.context, setting.size.layers // 2)
    return setting.tokens * counted / found["scoring"].median
