"""Train the tokenizer on the training documents, or fetch the one that is named."""

from pathlib import Path

from mda import cli, files, sections, tokens


def make(documents: Path, settings: sections.Tokenizer, out: Path) -> None:
    """Write `out`, a tokenizer.json that the `tokenizers` library reads."""
    table = files.read_table(documents, columns=["text", "split"]).to_pydict()
    texts = (text for text, split in zip(*table.values(), strict=True) if split == "train")
    files.write_text(out, tokens.train_tokenizer(settings, texts).to_str(pretty=True))


if __name__ == "__main__":
    cli.run(make)
