"""The workflow's training against a bare loop of PyTorch, and what evaluation and saving add to it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from mda.bench.timing import in_turns, table
from mda.config.experiment import Config
from mda.corpus.tokens import TokenStore
from mda.models import metrics
from mda.models import model as models
from mda.runtime import files, parallel
from mda.training import adamw, schedule, training


def measure(config: Config, folder: Path, repetitions: int, steps: int | None = None) -> str:
    """Updates a second of both, and the share of evaluation and of a save at the end.

    Args:
        steps: updates; None is as many as a retraining of this configuration has.
    """
    run, context = config.run, config.tokens.context
    steps = steps or run.window.stop - run.window.origin
    vocabulary = config.tokens.tokenizer.vocabulary
    rows = np.random.default_rng(0).integers(2, vocabulary, (steps * run.batch_size, context + 1), np.uint16)
    path = folder / "retraining.npy"
    files.write_array(path, rows)
    store, stream = TokenStore(path), schedule.base(len(rows), steps, run.batch_size, 0)
    evaluator = metrics.Evaluator(config.metrics, store.tokens, np.arange(2, vocabulary), parallel.device())

    def follow(evaluate: Callable[[PreTrainedModel], dict], save: bool) -> None:
        model = made(config)
        optimizer = adamw.make_optimizer(model, run.optimizer)
        with tempfile.TemporaryDirectory() as place:
            cadence = training.Cadence(run.evaluate_every, 0, float("inf"), Path(place))
            trainer = training.Trainer(stream, store, None, run.optimizer, config.numerics, evaluate, cadence)
            trainer.follow(model, optimizer, 0, steps)
            if save:
                adamw.save_state(Path(place), model, optimizer)

    blank = {"held_out_loss": 0.0, "prefix_matching": [[0.0]]}
    works: dict[str, Callable[[], object]] = {
        "bare": partial(bare, config, stream, store, steps),
        "ours": partial(follow, lambda model: blank, False),
        "whole": partial(follow, evaluator, True),
    }
    found = in_turns(works, repetitions)
    share = found["whole"].over(found["ours"]).each(lambda ratio: 100 * (1 - 1 / ratio))
    line = [
        f"{run.batch_size} rows of {context}",
        str(steps),
        found["bare"].each(lambda took: steps / took).text(1),
        found["ours"].each(lambda took: steps / took).text(1),
        found["bare"].over(found["ours"]).text(),
        share.text(0),
    ]
    head = [
        "an update",
        "updates",
        "bare loop, updates/s",
        "here, updates/s",
        "times as fast",
        f"evaluating every {run.evaluate_every} and saving once, % of the time",
    ]
    return table(head, [line])


def made(config: Config) -> PreTrainedModel:
    """The default's model."""
    vocabulary, context = config.tokens.tokenizer.vocabulary, config.tokens.context
    return models.create(config.model, None, vocabulary, context, config.numerics.attention).train()


def bare(config: Config, stream: schedule.Schedule, store: TokenStore, steps: int) -> None:
    """What one would write for this model alone: rows in order, AdamW, clipped gradients."""
    model, size = made(config), config.run.batch_size
    settings = config.run.optimizer
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
    tokens = torch.from_numpy(store.take(stream.row)).to(parallel.device())
    for step in range(steps):
        batch = tokens[step * size : (step + 1) * size]
        logits = model(batch[:, :-1], use_cache=False).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
