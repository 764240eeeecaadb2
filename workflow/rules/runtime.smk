# How a step runs: its environment, its memory and its time.

# Steps import the package from here. Without conda or a container they run in the very Python
# that runs Snakemake, whether or not its environment is activated.
STEP_ENVIRONMENT = environment.of_steps(
    SOURCE / "workflow",
    None if workflow.deployment_settings.deployment_method else Path(sys.executable).parent,
    warm=os.environ.get(environment.WARM),
    # Where another workflow uses this one as a module, the prefix is that of its rules too.
    shared=not workflow.modifier.is_main_snakefile(),
)
if workflow.modifier.is_main_snakefile():
    # What is checked before a step that takes long; no parameter, because it changes no result of the step.
    asked_first = pydantic_core.to_json(plan.asked_first(CONFIG)).decode()
    STEP_ENVIRONMENT += f"export MDA_CHECK={shlex.quote(asked_first)}; "
# A folder's name may have braces, as JSON has; shell.prefix would look for variables in them.
shell.prefix(f"set -euo pipefail; {STEP_ENVIRONMENT}".replace("{", "{{").replace("}", "}}"))


def checkpoint_bytes():
    """Size of the weights that training starts from, if they exist before it: pinned, or in a folder."""
    if CONFIG.model.local is not None:
        return sum(path.stat().st_size for path in CONFIG.model.local.glob("*.safetensors"))
    pin = pin_of("model", CONFIG.model.remote or "", CONFIG.model.revision or "")
    return sum(file.bytes for file in pin.files) if pin is not None else 0


# In MB. torch's own libraries, and the weights, moments and gradients while they are read and written.
TORCH_MEMORY = 3000 + 8 * checkpoint_bytes() // 10**6
# Python's libraries, and 2 kB a training sample: a step that selects among 200,000 took 1.2 GB.
TABLE_MEMORY = 1000 + 2 * CONFIG.run.steps * CONFIG.run.batch_size // 1000

# Of a step that sorts scores on disk: the libraries, what mda.runtime.database holds, and pieces on the way. The most
# that was seen is 1 GB with 10^7 samples. With 10^8 it was 3.4 GB before pieces that were read were let go.
SORTED_MEMORY = min(TABLE_MEMORY, 3000)

# Of a cluster: whether the steps of tables and figures are so light that they run beside the workflow, which may
# be on a login node, and are no jobs. With these many samples or runs the heaviest of them takes some 2 CPU-seconds
# and 300 MB; see docs/how-to/cluster.md.
# The studies have tables of their own, which are smaller for each run.
FEW_SAMPLES, FEW_RUNS, FEW_WITH_STUDIES = 50_000, 100, 200
# A stream is of samples alone.
LIGHT_STREAM = CONFIG.run.steps * CONFIG.run.batch_size <= FEW_SAMPLES
LIGHT = LIGHT_STREAM and len(design.cells(CONFIG)) <= FEW_RUNS and len(set(ALL_CELLS)) <= FEW_WITH_STUDIES
# Two studies draw from all samples thousands of times: with 100,000 of them they take 9 and 21 CPU-seconds.
LIGHT_DRAWS = LIGHT and CONFIG.run.steps * CONFIG.run.batch_size <= 5_000


def torch_memory(wildcards, attempt):
    """Memory of a step that loads a model, in MB; more on every retry."""
    return TORCH_MEMORY * attempt


def walk_memory(wildcards, attempt):
    """Memory of a walk, in MB: that of a training, the states of a part, and what a step back holds.

    More on every retry.
    """
    return memory_of_walk(CONFIG.trajectory.vectors_beside) * attempt


def memory_of_walk(vectors):
    """The same, with so many vectors of the weights beside the states."""
    return TORCH_MEMORY + 2200 + vectors * checkpoint_bytes() // 10**6


def table_memory(wildcards, attempt):
    """Memory of a step that reads tables, in MB; more on every retry."""
    return TABLE_MEMORY * attempt


def sorted_memory(wildcards, attempt):
    """Memory of a step that sorts scores on disk or reads them in parts, in MB; more on every retry.

    It hardly grows with the samples; see docs/benchmarks.md.
    """
    return SORTED_MEMORY * attempt


def checked_memory(wildcards, attempt):
    """Memory of a step of tables before which the users' probes are called, in MB; more on every retry."""
    return max(TABLE_MEMORY, TORCH_MEMORY) * attempt


def minutes(expected):
    """Time limit of a step, in minutes; more on every retry, up to the site's longest.

    The site's longest is the default resource `longest` of its profile, if it has one.
    """
    defaults = workflow.resource_settings.default_resources or {}
    longest = int(defaults["longest"].value) if "longest" in defaults else None
    return lambda wildcards, attempt: min(expected * attempt, longest or expected * attempt)
