#!/bin/sh
# Without cgroups SLURM loses processes whose parent has ended; this ends them with the job.
for file in $$(grep -lzsx "SLURM_JOB_ID=$$SLURM_JOB_ID" /proc/[0-9]*/environ); do
  grep -qzsx "SLURM_CONF=$folder/etc/slurm.conf" "$$file" || continue
  grep -qzsx "SLURMD_NODENAME=$$SLURMD_NODENAME" "$$file" || continue
  grep -qzs '^SLURM_SCRIPT_CONTEXT=' "$$file" && continue
  process=$${file%/environ}
  kill -KILL "$${process#/proc/}"
done
exit 0
