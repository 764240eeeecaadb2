"""Weights that are published only as a pickle, rewritten as safetensors.

A pickle can run any code when it is read, so these are read with three safeguards. The bytes are
those that were pinned: `mda.hub.downloads` checks them first. The reader is torch's restricted unpickler
(`weights_only`), which makes tensors and plain containers, and refuses to call anything else. And
only the tensors go on, in a format that cannot hold code; the pickle itself is not kept.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mda.runtime import files
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import torch

# How a zip file begins. Files that torch wrote before version 1.6 are none, and cannot be mapped.
ZIP = b"PK\x03\x04"


def convert(source: Path, out: Path) -> None:
    """Write the tensors of a pickled state dictionary to `out`, as safetensors.

    `source` must be the checked file of a pin. Whatever in it is no tensor is left out.

    Raises:
        UserError: when the unpickler refuses the file, or it holds no tensors, or such that
            safetensors lacks, or `out` cannot be written.
    """
    from safetensors.torch import save_file

    tensors = _tensors(source)
    with files.whole(out) as part:
        try:
            # transformers reads only files that say which library's tensors they hold.
            save_file(tensors, part, metadata={"format": "pt"})
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise _refused(source, f"safetensors cannot hold its tensors: {_first_line(error)}") from error


def _tensors(source: Path) -> dict[str, torch.Tensor]:
    """The tensors of a pickled dictionary: contiguous, and no two in the same memory."""
    import torch

    try:
        with source.open("rb") as stream:
            mapped = stream.read(len(ZIP)) == ZIP
        found = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # damaged pickles raise nearly every kind
        raise _refused(source, _reason(error)) from error
    if not isinstance(found, dict):
        raise _refused(source, f"it holds a {type(found).__name__}, not a dictionary of tensors")
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in found.items():
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            try:
                tensor = value.detach().contiguous()
                # Tied weights are two names of one memory, which safetensors refuses.
                tensor = tensor.clone() if tensor.untyped_storage().data_ptr() in seen else tensor
                seen.add(tensor.untyped_storage().data_ptr())
            except (RuntimeError, NotImplementedError) as error:
                raise _refused(source, f"{name} is no plain tensor: {_first_line(error)}") from error
            tensors[name] = tensor
    if not tensors:
        raise _refused(source, "it holds no tensors by name")
    return tensors


def _refused(source: Path, reason: str) -> UserError:
    return UserError(
        f"{source}: cannot be taken as weights ({reason}); choose a revision with safetensors weights, or "
        "another repository"
    )


def _reason(error: Exception) -> str:
    """Why it cannot be read, without torch's advice to read it unrestricted."""
    # torch names what the file wants to call as "GLOBAL os.system".
    wanted = re.search(r"GLOBAL `?([\w.]+)", str(error))
    if wanted:
        return f"reading it would call {wanted[1]}, and only tensors are read"
    return f"it is damaged, or holds more than tensors: {type(error).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
