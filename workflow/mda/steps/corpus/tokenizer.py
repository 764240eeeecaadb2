"""Train the tokenizer on the training documents, or fetch the one that is named."""

from pathlib import Path

from mda.config import corpus_sections
from mda.corpus import tokenizer
from mda.hub import pins
from mda.runtime import cli, external_files, files, parquet


def make(
    documents: list[Path],
    settings: corpus_sections.Tokenizer,
    pin: pins.Pin | None,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`, a tokenizer.json that the `tokenizers` library reads.

    `documents` is one table, or none for a corpus that is tokenized already; `pin` the revision
    that a tokenizer of the hub is taken from; `content` that of the user's own when the run was planned.
    """
    external_files.check(settings.files, content)
    table = parquet.read_table(documents[0], columns=["text", "split"]).to_pydict() if documents else {}
    texts = (text for text, split in zip(*table.values(), strict=True) if split == "train")
    files.write_text(out, tokenizer.make(settings, texts, pin).to_str(pretty=True))


if __name__ == "__main__":
    cli.run(make)
