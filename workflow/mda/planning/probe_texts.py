"""Check the files of prompts and texts of all probes, before any job starts."""

from __future__ import annotations

from pathlib import Path

from mda.config.experiment import Config
from mda.config.unit_sections import Probe
from mda.corpus import prompts, tokenizer
from mda.runtime.errors import UserError


def check(config: Config) -> None:
    """Read them all; with the run's tokenizer, where it is a file that is here already.

    Raises:
        UserError: when a probe cannot be asked on its file; it names the probe, and the line.
    """
    asked = {name: probe for name, probe in config.probes_of(config.all_targets).items() if probe.path}
    if not asked:
        return
    settings = config.tokens.tokenizer
    reader = tokenizer.make(settings, iter(()), None) if settings.kind == "file" else None
    for name, probe in asked.items():
        try:
            _read(probe, reader, config.tokens.context)
        except UserError as error:
            raise UserError(f"probes.{name}.path: {error}") from None


def _read(probe: Probe, reader, context: int) -> None:
    path = Path(str(probe.path))
    if probe.measure == "prompts":
        found = prompts.read_prompts(path)
        if reader is not None:
            prompts.encode_prompts(reader, found, context)
        return
    if probe.measure == "feature":
        read = prompts.read_prompts if prompts.is_prompts(path) else prompts.read_texts
        read(path)
        if reader is not None:
            prompts.read_pieces(reader, path, context)
        return
    texts = prompts.read_texts(path)
    if reader is not None:
        prompts.encode_texts(reader, texts, context, probe.positions == "repeated")
