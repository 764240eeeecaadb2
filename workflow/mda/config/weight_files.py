"""Look into the files of a checkpoint's weights, of which only the headers are read."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from mda.runtime import file_kinds

# As huggingface_hub has them, whose import takes too long for a plan.
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Of peft, beside or in place of weights.
ADAPTER = "adapter_config.json"
# Types of numbers that are weights as they stand; others are of no use without their scales.
TYPES = ("F64", "F32", "F16", "BF16")
SAVE_AGAIN = "load it with transformers and save it with save_pretrained"


def check(folder: Path) -> None:
    """That a folder has all its weights in safetensors, in files that are whole, and no others.

    Raises:
        ValueError: when it does not, with the file.
    """
    if (folder / ADAPTER).is_file():
        raise ValueError(
            f"the folder {folder} has an adapter ({ADAPTER}), which is not read; merge it into the model's "
            "weights (merge_and_unload of peft), and save these to a folder of their own"
        )
    if (folder / SINGLE).is_file():
        _tensors(folder / SINGLE)
        return
    listed = _listed(folder)
    for name in sorted(set(listed.values())):
        path = folder / name
        if not path.is_file():
            raise ValueError(
                f"the folder {folder} lacks {name}, which its {INDEX} lists; copy the file there"
            )
        there = _tensors(path)
        lost = [tensor for tensor, file in listed.items() if file == name and tensor not in there]
        if lost:
            raise ValueError(f"{path} lacks the tensor {lost[0]}, which {INDEX} lists; copy both again")


def _listed(folder: Path) -> dict[str, str]:
    """Tensor -> file, of an index."""
    index = folder / INDEX
    if not index.is_file():
        raise ValueError(
            f"the folder {folder} has no weights in safetensors, and a pickle is not read; {SAVE_AGAIN}"
        )
    try:
        found = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(tensor): str(file) for tensor, file in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"the folder {folder}: its {INDEX} does not list files of weights; copy it again"
        ) from None


def _tensors(path: Path) -> set[str]:
    """Names of the tensors in a whole file of weights that are no integers and have more than 8 bits."""
    try:
        with safe_open(path, framework="np") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        what = file_kinds.no_text(path) or f"cannot be read as safetensors ({error}); copy it again"
        if file_kinds.start(path).startswith(file_kinds.ZIP):
            what = f"is a pickle, as torch.save writes it; {SAVE_AGAIN}"
        raise ValueError(f"{path} {what}") from None
    for name, kind in types.items():
        # Masks that some old models store are of bytes.
        if "weight" in name.rpartition(".")[2] and kind not in TYPES:
            raise ValueError(
                f"{path} has the tensor {name} of type {kind}, as quantized models have; save the model in "
                "bf16, fp16 or fp32"
            )
    return set(types)
