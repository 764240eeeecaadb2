"""Read and check the configuration of a run of Snakemake."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from snakemake.cli import get_profile_dir, parse_set_resources
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.profiles import ProfileConfigFileParser
from snakemake.resources import Resources
from snakemake_interface_executor_plugins.settings import ExecMode

from mda.config import consistency, experiment, settings
from mda.config.unit_sections import probe_data
from mda.runtime.errors import UserError


def configuration(workflow: Any, handed: dict[str, Any], source: Path) -> experiment.Config:
    """The configuration of a run, checked.

    Args:
        handed: Snakemake's `config`, which counts where another workflow uses this one as a module.
        source: the folder of the Snakefile, whose config.yaml has the defaults.

    Raises:
        WorkflowError: in one sentence, when something is wrong with the configuration or the options.
    """
    try:
        config = consistency.check(_settings(workflow, handed, source))
        _refuse_braces(config)
        # Every job reads the Snakefile again; warnings come once.
        if workflow.exec_mode == ExecMode.DEFAULT:
            from mda.planning import plan, probe_texts

            plan.read_first(config)
            if config.selection.own is not None:
                from mda.interventions import own_scores

                own_scores.check(config.selection.own)
            for sentence in [*probe_texts.check(config), *plan.warnings(config)]:
                logger.warning(f"configuration: {sentence}.")
    except UserError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:
        # Of the user's files, which have no rights, or lie on a disk that is away.
        raise WorkflowError(
            f"{error.filename}: cannot be read ({error.strerror}); mend the path or its rights"
        ) from None
    return config


def _refuse_braces(config: experiment.Config) -> None:
    """Refuse the user's own paths that Snakemake would fill in."""
    start = [] if config.model.local is None else [config.model.local]
    for path in [
        *config.probe_files(),
        *probe_data(config.probes),
        *start,
        *config.model.published_folders,
    ]:
        if re.search("[{}]", str(path)):
            raise UserError(
                f"configuration: the path {path} has a brace, which Snakemake takes for a wildcard; "
                "rename the file or folder."
            )


def _settings(workflow: Any, handed: dict[str, Any], source: Path) -> dict[str, Any]:
    """The settings: config.yaml, then --configfile, then --config; or what another workflow hands over.

    Snakemake has read the same files, but of a key that stands twice in a file it drops one without a word.
    """
    default, asked = source / "config.yaml", workflow.config_settings
    if workflow.modifier.skip_configfile:
        return settings.merge(settings.read([default]), handed)
    if workflow.exec_mode == ExecMode.DEFAULT:
        _check_options(workflow, default)
    files = [] if asked.replace_workflow_config else [default]
    workflow.configfiles.extend(map(str, files))
    return settings.read([*files, *asked.configfiles], asked.config_args or [])


def _check_options(workflow: Any, default: Path) -> None:
    """Refuse what Snakemake would ignore without a word, on its command line and in profiles."""
    given = settings.options(sys.argv[1:])
    for name in settings.profiles(sys.argv[1:]):
        # Named from the folder that Snakemake was started in, before --directory.
        found = get_profile_dir(str(Path(os.environ.get("PWD", ""), name))) or get_profile_dir(name)
        if found is not None:
            settings.check_profile(found[1], given)
            with found[1].open(encoding="utf-8") as stream:
                kept = ProfileConfigFileParser().parse(stream)
            if "set-resources" in given:
                _keep_resources(workflow, parse_set_resources(kept.get("set-resources")))
            if "default-resources" in given:
                _keep_defaults(workflow, kept.get("default-resources", []), given["default-resources"])
    own = Path("config.yaml").absolute()
    read = [default, *workflow.config_settings.configfiles]
    # Where another workflow uses this one as a module, config.yaml is that workflow's own.
    main = workflow.modifier.is_main_snakefile()
    if main and own.exists() and not any(path.exists() and own.samefile(path) for path in read):
        raise UserError(
            f"{own}: is not read, for config.yaml is that of {default.parent}; name it with --configfile"
        )


def _keep_resources(workflow: Any, kept: dict[str, Resources]) -> None:
    """Keep a profile's `set-resources` beside those of the command line, which count where both name one.

    Snakemake drops the profile's: a training with more memory would lose its GPUs and its signal.
    """
    asked = workflow.resource_settings._parsed_overwrite_resources
    for rule, resources in kept.items():
        # Also what a job's own Snakemake is told.
        resources.update(asked.get(rule, {}))
        asked[rule] = resources


def _keep_defaults(workflow: Any, kept: list[str], asked: list[str]) -> None:
    """The same of `default-resources`: jobs would lose the account, and trainings the longest time."""
    # By the names that Snakemake gives them: `mem` is `mem_mb`.
    named = Resources.parse(asked, allow_expressions=True)
    for name, resource in Resources.parse(kept, allow_expressions=True).items():
        if name not in named:
            workflow.resource_settings.default_resources[name] = resource
