# Usage.
# In:  the benchmarks and logs of all jobs.
# Out: benchmarks/usage.csv, a line a rule: jobs, times, memory, GPU memory.


rule usage:
    """Collect what all jobs used, at the end of a run."""
    input:
        "<results>/tables/effects.csv",
        figures(),
    output:
        table="<results>/benchmarks/usage.csv",
    log:
        "<logs>/usage.log",
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=1000,
        runtime=minutes(10),
    params:
        benchmarks=lambda wildcards, output: str(Path(output.table).parent),
        logs=f"{CONFIG.results}/logs",
        code=fingerprint("report.usage"),
    shell:
        r"""
        python -m mda.steps.report.usage \
            --benchmarks {params.benchmarks:q} \
            --logs {params.logs:q} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """
