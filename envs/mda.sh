#!/bin/sh
# The command `mda` of the environment beside the workflow. `make install` puts it into .venv/bin.
here=$(CDPATH= cd -P "$(dirname "$0")" && pwd)
exec "$here/python" "$here/../../workflow/mda" "$@"
