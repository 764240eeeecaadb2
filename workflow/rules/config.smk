# Configuration.
# In:  config.yaml, the overlays and `--config`, merged and checked before anything runs.
# Out: config.yaml in the results, all settings that made them.

MERGED_CONFIGURATION = Step("config.merged_configuration")


rule merged_configuration:
    """Write config.yaml, the merged configuration that made these results.

    The report and readers of the results read it.
    """
    output:
        "<results>/config.yaml",
    log:
        "<logs>/merged_configuration.log",
    localrule: True
    conda:
        "../../envs/mda.yaml"
    params:
        merged=as_json(CONFIG),
        code=MERGED_CONFIGURATION.code,
    shell:
        MERGED_CONFIGURATION.command()
