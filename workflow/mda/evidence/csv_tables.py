"""How tables of results are written."""

from pathlib import Path

import pandas as pd

from mda.runtime import files


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, numbers with six significant digits."""
    files.write_text(path, table.to_csv(index=False, float_format="%.6g"))
