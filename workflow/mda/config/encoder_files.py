"""The files of sparse autoencoders, as SAELens and sparsify write them in safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

# Tensors by their names in SAELens; `encoder.` are those of sparsify, (features, inputs) as torch's Linear.
WEIGHT, BIAS = ("W_enc", "encoder.weight"), ("b_enc", "encoder.bias")
CENTER, THRESHOLD = "b_dec", "threshold"
# Of the decoder, which is not needed.
DECODER = ("W_dec", "decoder.weight", "decoder.bias")


class Shape(NamedTuple):
    """What the header of a file says.

    Attributes:
        inputs, features: widths of what is read, and of what is put out.
        center: whether it has the decoder's bias, which some subtract from what they read.
    """

    inputs: int
    features: int
    center: bool


def shape(path: Path) -> Shape:
    """The shape of a file's encoder; no weight is read.

    Raises:
        ValueError: when it is none that this project knows.
    """
    try:
        with safe_open(path, framework="np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as safetensors ({error}); name an encoder's file") from None
    known = {*WEIGHT, *BIAS, CENTER, THRESHOLD, *DECODER}
    for name in shapes:
        if name not in known:
            raise ValueError(
                f"{path} has the tensor '{name}', which is none of {', '.join(sorted(known))}; such encoders "
                "are not supported"
            )
    weight, bias = (next((name for name in names if name in shapes), None) for names in (WEIGHT, BIAS))
    if weight is None or bias is None:
        raise ValueError(f"{path} has no {' or '.join(WEIGHT if weight is None else BIAS)}")
    sizes = shapes[weight]
    if len(sizes) != 2:
        raise ValueError(f"{path}: {weight} has shape {sizes}, and is to be a matrix")
    inputs, features = sizes if weight == WEIGHT[0] else reversed(sizes)
    for name, wanted in ((bias, features), (CENTER, inputs), (THRESHOLD, features)):
        if name in shapes and shapes[name] != [wanted]:
            raise ValueError(f"{path}: {name} has shape {shapes[name]}, but {weight} has {sizes}")
    return Shape(inputs, features, CENTER in shapes)
