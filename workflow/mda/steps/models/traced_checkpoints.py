"""Lay out the checkpoints of a model that was trained elsewhere as a run lays out its own."""

from __future__ import annotations

from pathlib import Path

from mda.config import model_settings
from mda.corpus import encoding, tokens
from mda.hub.downloads import checkpoint_files
from mda.runtime import cli, external_files, files
from mda.runtime.errors import UserError


def lay_out(
    own: list[Path],
    own_steps: list[int],
    downloaded: list[Path],
    downloaded_steps: list[int],
    tokenizer: Path,
    context: int,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`, a folder `step-000000` a checkpoint, with links to its files.

    `own` are folders of the user, `downloaded` are the hub's; each with their training steps in the same
    order. `content` is that of the user's own when the run was planned.

    Raises:
        UserError: when one has no weights in safetensors, or does not fit the tokenizer or the context.
    """
    external_files.check(own, content)
    vocabulary = encoding.size(tokens.load_tokenizer(tokenizer))
    with files.whole(out) as part:
        for folder, step in zip([*own, *downloaded], [*own_steps, *downloaded_steps], strict=True):
            names = checkpoint_files([file.name for file in folder.iterdir()], folder)
            if not any(name.endswith(".safetensors") for name in names):
                raise UserError(f"{folder}: has its weights only as a pickle; save them as safetensors")
            try:
                model_settings.check_fit(folder, vocabulary, context)
            except ValueError as error:
                raise UserError(str(error)) from None
            place = part / f"step-{step:06d}"
            place.mkdir(parents=True)
            for name in names:
                (place / name).symlink_to((folder / name).resolve())


if __name__ == "__main__":
    cli.run(lay_out)
