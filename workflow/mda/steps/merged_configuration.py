"""Write down the merged configuration beside the results."""

from pathlib import Path

import yaml

from mda import cli, config, files


def write(merged: config.Config, out: Path) -> None:
    """Write `out`, a YAML file that `--configfile` takes."""
    files.write_text(out, yaml.safe_dump(merged.model_dump(mode="json"), sort_keys=False))


if __name__ == "__main__":
    cli.run(write)
