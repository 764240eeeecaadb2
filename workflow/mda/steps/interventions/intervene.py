"""Write the training stream of one intervention."""

from pathlib import Path

import numpy as np

from mda.config import sections
from mda.runtime import cli, files
from mda.training import schedule as schedules


def intervene(
    kind: str,
    seed: int,
    schedule: Path,
    window: sections.Window,
    batch_size: int,
    at_step: int | None,
    selection: list[Path],
    outside: list[Path],
    synthetic: list[Path],
    out: Path,
) -> None:
    """Write `out`, the schedule (step, update, slot, row, role) of a branch.

    The seed shuffles the window, the same for every intervention; 'base' is the shuffled
    window alone; 'mask' and 'replace' remove the selected rows, 'duplicate' inserts them once more
    and 'augment' the synthetic samples, as batches after step `at_step` if it is given; 'swap'
    puts those of `outside` in the places of the selected rows. `selection`, `outside` and
    `synthetic` have one path each where the kind needs it.
    """
    stream = schedules.branch(schedules.Schedule.read(schedule), window, seed)

    def inserted(rows: np.ndarray, role: int) -> schedules.Schedule:
        if at_step is None:
            return schedules.insert(stream, rows, role, seed, window)
        return schedules.insert_at(stream, rows, role, seed, at_step, batch_size)

    if kind == "augment":
        stream = inserted(np.arange(len(files.map_array(synthetic[0]))), schedules.SYNTHETIC)
    elif kind != "base":
        selected = files.read_table(selection[0], columns=["row"]).column("row").to_numpy()
        if kind == "mask":
            stream = schedules.mask(stream, selected)
        elif kind == "replace":
            stream = schedules.replace(stream, selected, seed, window)
        elif kind == "swap":
            others = files.read_table(outside[0], columns=["row"]).column("row").to_numpy()
            stream = schedules.swap(stream, selected, others, seed)
        else:
            stream = inserted(selected, schedules.DUPLICATE)
    stream.write(out)


if __name__ == "__main__":
    cli.run(intervene)
