"""For `simulated_cluster.py` alone.

It notes the files of every job, and lets the steps beside the workflow end at once, having touched theirs.
"""

import json
import os
from pathlib import Path

if "SIMULATED_JOBS" in os.environ:
    from snakemake.executors import local
    from snakemake.scheduling.job_scheduler import JobScheduler
    from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args

    _begin = JobScheduler.__init__

    def files_of(job):
        """What a job leaves; a folder ends with a slash."""
        paths = [*job.output, *job.log, *([job.benchmark] if job.benchmark else [])]
        return [f"{path}/" if getattr(path, "is_directory", False) else str(path) for path in paths]

    def begin(self, workflow, *arguments, **named):
        _begin(self, workflow, *arguments, **named)
        found = {
            encode_target_jobs_cli_args(job.get_target_spec())[0]: files_of(job) for job in workflow.dag.jobs
        }
        place = Path(os.environ["SIMULATED_JOBS"])
        place.with_suffix(".part").write_text(json.dumps(found))
        place.with_suffix(".part").rename(place)

    def run_wrapper(rule, inputs, outputs, params, wildcards, threads, resources, logs, benchmark, *others):
        for path in map(Path, [*outputs, *logs, *([benchmark] if benchmark else [])]):
            # Here they are plain strings: a folder is what has no suffix.
            (path if path.suffix else path / "index.html").parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            if path.suffix == ".jsonl":
                path.write_text('{"s": 1.0}\n')

    JobScheduler.__init__, local.run_wrapper = begin, run_wrapper
