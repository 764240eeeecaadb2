"""Download a published checkpoint, at the commit and with the hashes that are pinned."""

from pathlib import Path

from mda.hub import downloads, pins
from mda.runtime import cli, files
from mda.runtime.errors import UserError


def make(repository: str, revision: str, pin: pins.Pin | None, out: Path) -> None:
    """Write `out`, a folder in Hugging Face format with safetensors weights.

    Weights that are published only as a pickle are converted: see `mda.hub.pickled`.

    Raises:
        UserError: when the revision is not pinned, or what is pinned cannot be had or is no weights.
    """
    if pin is None:
        raise UserError(f"{repository} at {revision} is not pinned; run {pins.COMMAND}")
    with files.whole(out) as part:
        part.mkdir()
        downloads.checkpoint(pin, part)
        (part / "made_by.json").write_text(files.made_by() + "\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(make)
