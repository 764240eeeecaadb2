"""Write down the merged configuration beside the results."""

from pathlib import Path

from mda.config import experiment, strict_yaml
from mda.runtime import cli, files


def write(merged: experiment.Config, out: Path) -> None:
    """Write `out`, a YAML file that `--configfile` takes."""
    files.write_text(out, strict_yaml.dump(merged.model_dump(mode="json")))


if __name__ == "__main__":
    cli.run(write)
