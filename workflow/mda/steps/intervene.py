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
    at_step: int | None,
    selection: list[Path],
    synthetic: list[Path],
    out: Path,
) -> None:
    """Write `out`, the schedule (step, slot, row, role) of a branch through the window.

    The seed shuffles the window, the same for every intervention; 'base' is the shuffled
    window alone; 'mask' and 'replace' remove the selected rows, 'duplicate' shows them twice,
    'augment' inserts the synthetic samples, at one step if `at_step` is given. `selection` and
    `synthetic` have one path each where the kind needs it.
    """
    stream = schedules.branch(schedules.Schedule.read(schedule), window.start, window.stop, seed)
    if kind == "augment":
        rows = np.arange(len(files.map_array(synthetic[0])))
        stream = schedules.insert(stream, rows, schedules.SYNTHETIC, seed, at_step)
    elif kind != "base":
        selected = files.read_table(selection[0], columns=["row"]).column("row").to_numpy()
        if kind == "mask":
            stream = schedules.mask(stream, selected)
        elif kind == "replace":
            stream = schedules.replace(stream, selected, seed)
        else:
            stream = schedules.insert(stream, selected, schedules.DUPLICATE, seed)
    stream.write(out)


if __name__ == "__main__":
    cli.run(intervene)
