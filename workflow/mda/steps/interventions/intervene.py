"""Write what one intervention changes in the order of its seed."""

from pathlib import Path

import numpy as np

from mda.config import sections
from mda.runtime import cli, files, parquet
from mda.training import schedule as schedules


def intervene(
    kind: str,
    seed: int,
    order: Path,
    window: sections.Window,
    batch_size: int,
    at_step: int | None,
    selection: list[Path],
    outside: list[Path],
    synthetic: list[Path],
    out: Path,
) -> None:
    """Write `out`, the places (step, update, slot, row, role) that a branch changes in `order` or adds to it.

    'mask' and 'replace' remove the selected rows, 'duplicate' inserts them once more
    and 'augment' the synthetic samples, as batches after step `at_step` if it is given; 'swap'
    puts those of `outside` in the places of the selected rows. `selection`, `outside` and
    `synthetic` have one path each where the kind needs it.
    """
    stream = schedules.Schedule.read(order)

    def inserted(rows: np.ndarray, role: int) -> schedules.Schedule:
        if at_step is None:
            return schedules.insert(stream, rows, role, seed, window)
        return schedules.insert_at(rows, role, seed, at_step, batch_size)

    def rows_of(path: Path) -> np.ndarray:
        return parquet.read_table(path, columns=["row"]).column("row").to_numpy()

    if kind == "augment":
        changes = inserted(np.arange(len(files.map_array(synthetic[0]))), schedules.SYNTHETIC)
    elif kind == "mask":
        changes = schedules.mask(stream, rows_of(selection[0]))
    elif kind == "replace":
        changes = schedules.replace(stream, rows_of(selection[0]), seed, window)
    elif kind == "swap":
        changes = schedules.swap(stream, rows_of(selection[0]), rows_of(outside[0]), seed)
    else:
        changes = inserted(rows_of(selection[0]), schedules.DUPLICATE)
    changes.write(out, stream)


if __name__ == "__main__":
    cli.run(intervene)
