"""Check prompts, texts and the tokenizer against probes and models, before any job starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mda.config import model_settings
from mda.config.experiment import Config
from mda.config.unit_sections import Probe
from mda.corpus import encoding, prompts, tokenizer
from mda.runtime.errors import UserError


def check(config: Config) -> list[str]:
    """Read them all; with the run's tokenizer, where it is a file that is here already.

    Returns:
        Sentences on what is counted in a way that one may not expect.

    Raises:
        UserError: when a probe cannot be asked on its file, which names the probe and the line; and when a
            traced checkpoint that is here does not fit the tokenizer.
    """
    asked = {name: probe for name, probe in config.probes_of(config.all_targets).items() if probe.path}
    folders = [] if config.trace is None else config.trace.folders
    if not asked and not folders:
        return []
    settings = config.tokens.tokenizer
    reader = tokenizer.make(settings, iter(()), None) if settings.kind == "file" else None
    if reader is not None:
        _check_models(folders, encoding.size(reader), config.tokens.context)
    told = []
    for name, probe in asked.items():
        try:
            counted = _read(probe, reader, config.tokens.context)
        except UserError as error:
            raise UserError(f"probes.{name}.path: {error}") from None
        told += [] if counted is None else [f"probes.{name}: {counted}"]
    return told


def _check_models(folders: Sequence[str], vocabulary: int, context: int) -> None:
    for folder in folders:
        try:
            model_settings.check_fit(Path(folder), vocabulary, context)
        except ValueError as error:
            raise UserError(f"trace.checkpoints: {error}") from None


def _read(probe: Probe, reader, context: int) -> str | None:
    """Reads a probe's file; returns what is to be said of it."""
    path = Path(str(probe.path))
    if probe.measure == "prompts":
        found = prompts.read_prompts(path)
        return None if reader is None else prompts.counted(prompts.encode_prompts(reader, found, context))
    if probe.measure == "feature":
        read = prompts.read_prompts if prompts.is_prompts(path) else prompts.read_texts
        read(path)
        if reader is not None:
            prompts.read_pieces(reader, path, context)
        return None
    texts = prompts.read_texts(path)
    if reader is not None:
        prompts.encode_texts(reader, texts, context, probe.positions == "repeated")
    return None
