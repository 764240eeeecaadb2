"""From the settings of a trajectory's outcomes to what is measured of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from mda.attribution import outcomes, questions
from mda.config import trajectory_section, unit_sections
from mda.models import metrics
from mda.models.units import Neuron, Unit
from mda.runtime import parallel

# Of the metric of a class of heads: measure of an outcome -> how it is taken over them.
OVER: dict[str, outcomes.Over] = {"metric": "best", "metric_sum": "sum", "metric_soft_max": "soft_max"}


@dataclass(frozen=True)
class Asking:
    """What outcomes are measured with; `places` has the units of every target."""

    model: PreTrainedModel
    evaluator: metrics.Evaluator
    reader: Any
    context: int
    places: Mapping[str, Sequence[Unit]]
    probes: Mapping[str, unit_sections.Probe]

    def measure(
        self, outcome: trajectory_section.Outcome, targets: Mapping[str, unit_sections.Target]
    ) -> outcomes.Measure:
        """What an outcome measures of a model."""
        if outcome.target is None:
            return outcomes.of_loss(self.model, self.evaluator.held_out)
        target, members = targets[outcome.target], self.places[outcome.target]
        if outcome.measure == "probe":
            settings = self.probes[target.probe]
            question = questions.of_probe(settings, self.reader, self.context, parallel.device())
            return outcomes.of_probe(question, members)
        if target.metric == "activation":
            neurons = [unit for unit in members if isinstance(unit, Neuron)]
            return outcomes.of_neurons(self.evaluator.repeated, neurons)
        if target.metric.startswith(unit_sections.BEST):
            return outcomes.of_class(self.evaluator.repeated, target.metric, OVER[outcome.measure])
        return outcomes.of_heads(self.evaluator.repeated, members, target.metric)
