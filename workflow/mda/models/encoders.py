"""Features of sparse autoencoders, at a place of the model.

An encoder reads what a layer's attention or MLP writes, as its last projection puts it out (before a norm
that may follow, as in OLMo 2), or the residual stream behind a layer. A feature's activation is ReLU(W x + b)
(Cunningham et al. 2023, arXiv 2309.08600); with thresholds it is 0 below the feature's own (JumpReLU,
Rajamanoharan et al. 2024, arXiv 2407.14435); with `top` it is 0 unless it is among so many highest of the
token (Gao et al. 2024, arXiv 2406.04093).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from mda.config import encoder_files, unit_sections
from mda.models import architectures
from mda.runtime.errors import UserError


class Feature:
    """One feature of an encoder."""

    def __init__(
        self, path: Path, feature: int, centered: bool, top: int | None, device: torch.device
    ) -> None:
        """Read it from safetensors; see `mda.config.encoder_files`.

        Args:
            centered: subtract the decoder's bias from what is read.

        Raises:
            UserError: when the file is no encoder, or has no such feature.
        """
        try:
            shape = encoder_files.shape(path)
        except ValueError as error:
            raise UserError(str(error)) from None
        if feature >= shape.features:
            raise UserError(
                f"{path}: has the features 0 to {shape.features - 1}, but {feature} was asked for"
            )
        tensors = {name: tensor.to(device).float() for name, tensor in load_file(path).items()}
        by_features = encoder_files.WEIGHT[1] in tensors
        weight = tensors[encoder_files.WEIGHT[by_features]]
        self.inputs, self.feature, self.top = shape.inputs, feature, top
        self.center = tensors[encoder_files.CENTER] if centered else None
        # All of them compete where the highest count alone.
        chosen = slice(None) if top is not None else slice(feature, feature + 1)
        self.weight = (weight if by_features else weight.T)[chosen]
        self.bias = next(tensors[name] for name in encoder_files.BIAS if name in tensors)[chosen]
        thresholds = tensors.get(encoder_files.THRESHOLD)
        self.threshold = None if thresholds is None else thresholds[chosen]

    def __call__(self, read: torch.Tensor) -> torch.Tensor:
        """Its activation on what the encoder reads, shape (..., inputs) -> (...)."""
        if read.shape[-1] != self.inputs:
            raise UserError(
                f"the encoder reads {self.inputs} numbers a token, but the model has {read.shape[-1]}; name "
                "an encoder of this model"
            )
        read = read.float() if self.center is None else read.float() - self.center
        found = torch.relu(read @ self.weight.T + self.bias)
        if self.threshold is not None:
            found = torch.where(found > self.threshold, found, 0)
        if self.top is None:
            return found[..., 0]
        lowest = found.topk(min(self.top, found.shape[-1]), dim=-1).values[..., -1]
        own = found[..., self.feature]
        return torch.where(own >= lowest, own, 0)


@contextmanager
def read_at(model: PreTrainedModel, place: str) -> Iterator[list[torch.Tensor]]:
    """Within, what stands at a place (`L3.attention`, `L3.mlp`, `L3.residual`) is kept, once a call.

    Raises:
        UserError: when the model has no such layer.
    """
    match = unit_sections.LAYER_PATTERN.match(place)
    assert match is not None
    layer, layers = int(match[1]), architectures.shape(model)[0]
    if layer >= layers:
        raise UserError(f"{place} does not exist; the model has layers 0 to {layers - 1}")
    found = architectures.of(model)
    names = {"attention": f".{found.output}", "mlp": f".{found.neuron_output}", "residual": ""}
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, given: tuple, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        del module, given
        kept.append(output[0] if isinstance(output, tuple) else output)

    whole = f"{found.layers}.{layer}{names[match[2]]}"
    handle = model.get_submodule(whole).register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()
