"""Write down the merged configuration beside the results."""

from pathlib import Path

from mda import cli, config, files, strict_yaml


def write(merged: config.Config, out: Path) -> None:
    """Write `out`, a YAML file that `--configfile` takes."""
    files.write_text(out, strict_yaml.dump(merged.model_dump(mode="json")))


if __name__ == "__main__":
    cli.run(write)
