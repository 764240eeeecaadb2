# Factors.
# In:  the checkpoint to attribute at, the token store, the recorded order, the units of all targets.
# Out: factors/{covariance,lambda}/{part}.safetensors, sums over a part of the fitted samples;
#      factors/{covariance,eigen,lambda}.safetensors, the curvature of all targets' units, as far as
#      the strategy needs it. Variants have the same in variants/{variant}.


COVARIANCE_PART = Step("attribution.covariance")


rule covariance_part:
    """Sum up the covariances of all targets' units over one part of the fitted samples.

    `eigendecomposition` reads the sums, factors/covariance/{part}.safetensors.
    """
    input:
        checkpoints="<results>/base/checkpoints",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        watched=attributed_units,
    output:
        sums="<results>/{place}factors/covariance/{part}.safetensors",
    log:
        "<logs>/covariance_part/{place}{part}.log",
    benchmark:
        "<benchmarks>/covariance_part/{place}{part}.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=attributed_checkpoint,
        fit=as_fit,
        numerics=as_json(CONFIG.numerics.of_attribution()),
        code=COVARIANCE_PART.code,
    shell:
        COVARIANCE_PART.command(ON_GPU, checkpoint="{params.checkpoint:q}", part="{wildcards.part:q}")


EIGENDECOMPOSITION = Step("attribution.eigendecomposition")


rule eigendecomposition:
    """Join the parts of the covariances, and find their eigenvectors: factors/eigen.safetensors.

    `lambda_part` and `score_shard` read the eigenvectors.
    """
    input:
        parts=parts("covariance"),
    output:
        covariance="<results>/{place}factors/covariance.safetensors",
        eigen="<results>/{place}factors/eigen.safetensors",
    log:
        "<logs>/eigendecomposition/{place}all.log",
    benchmark:
        "<benchmarks>/eigendecomposition/{place}all.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
    params:
        code=EIGENDECOMPOSITION.code,
    shell:
        EIGENDECOMPOSITION.command(ON_GPU, out="{output.eigen:q}")


LAMBDA_PART = Step("attribution.lambdas")


rule lambda_part:
    """Sum up the squared gradients of all targets' units over one part of the fitted samples.

    `lambdas` reads the sums, factors/lambda/{part}.safetensors.
    """
    input:
        checkpoints="<results>/base/checkpoints",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        watched=attributed_units,
        eigen=eigenvectors,
    output:
        sums="<results>/{place}factors/lambda/{part}.safetensors",
    log:
        "<logs>/lambda_part/{place}{part}.log",
    benchmark:
        "<benchmarks>/lambda_part/{place}{part}.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=attributed_checkpoint,
        fit=as_fit,
        numerics=as_json(CONFIG.numerics.of_attribution()),
        code=LAMBDA_PART.code,
    shell:
        LAMBDA_PART.command(ON_GPU, checkpoint="{params.checkpoint:q}", part="{wildcards.part:q}")


LAMBDAS = Step("attribution.merge_lambdas")


rule lambdas:
    """Join the parts of the squared gradients: factors/lambda.safetensors.

    `score_shard` reads it.
    """
    input:
        parts=parts("lambda"),
    output:
        lambdas="<results>/{place}factors/lambda.safetensors",
    log:
        "<logs>/lambdas/{place}all.log",
    benchmark:
        "<benchmarks>/lambdas/{place}all.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        code=LAMBDAS.code,
    shell:
        LAMBDAS.command()
