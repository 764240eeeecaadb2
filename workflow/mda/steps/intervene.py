"""Write the training stream of one intervention."""

from pathlib import Path

import numpy as np

from mda import cli, files, sections
from mda import schedule as schedules


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
    window alone; 'mask' and 'replace' remove the selected rows, 'duplicate' shows them twice,
    'augment' inserts the synthetic samples, as batches after step `at_step` if it is given; 'swap'
    puts those of `outside` in the places of the selected rows. `selection`, `outside` and
    `synthetic` have one path each where the kind needs it.
    """
    stream = schedules.branch(schedules.Schedule.read(schedule), window, seed)
    if kind == "augment":
        rows = np.arange(len(files.map_array(synthetic[0])))
        if at_step is None:
            stream = schedules.insert(stream, rows, schedules.SYNTHETIC, seed, window)
        else:
            stream = schedules.insert_at(stream, rows, schedules.SYNTHETIC, seed, at_step, batch_size)
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
            stream = schedules.insert(stream, selected, schedules.DUPLICATE, seed, window)
    stream.write(out)


if __name__ == "__main__":
    cli.run(intervene)
