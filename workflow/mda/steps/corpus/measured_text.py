"""Pack the text that runs are measured on into rows."""

from pathlib import Path

import pyarrow as pa

from mda.config import sections
from mda.corpus import tokens
from mda.hub import downloads, pins
from mda.runtime import cli, external_files, files, parquet
from mda.runtime.errors import UserError


def pack(
    text: sections.MeasuredText,
    pin: pins.Pin | None,
    tokenizer: Path,
    context: int,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`, a token store of the text's lines joined to one document.

    `content` is that of the user's own file when the run was planned.

    Raises:
        UserError: when the file is not pinned, cannot be had, or has no such column of texts.
    """
    external_files.check([] if text.local is None else [text.local], content)
    if text.remote is None:
        path = Path(text.repository) / text.file
    elif pin is None:
        raise UserError(f"{text.repository} at {text.revision} is not pinned; run {pins.COMMAND}")
    else:
        path = downloads.file(pin, text.file)
    table = parquet.read_table(path)
    if text.column not in table.column_names:
        raise UserError(
            f"metrics.text.column: {text.file} has no column '{text.column}', only "
            f"{', '.join(table.column_names)}; name one of these"
        )
    lines = table.column(text.column).to_pylist()
    for row, line in enumerate(lines):
        if not isinstance(line, str):
            what = "has nothing in" if line is None else "has no text in"
            raise UserError(
                f"metrics.text: row {row} of {text.file} {what} column '{text.column}'; name another column "
                "or file"
            )
    joined = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    document = pa.table({"document": [0], "text": [joined], "label": ["text"]})
    rows, _ = tokens.pack(tokens.load_tokenizer(tokenizer), document, context, "the measured text")
    files.write_array(out, rows)


if __name__ == "__main__":
    cli.run(pack)
