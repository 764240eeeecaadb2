"""What happens before the first job of a run."""

from snakemake import common, jobs, rules

from mda.snakemake import run_start


def test_a_function_in_the_rules_is_inspected_once(monkeypatch):
    inspected = []

    def parameters(function):
        inspected.append(function)
        return {"wildcards": None}

    for module in (common, jobs, rules):
        monkeypatch.setattr(module, "get_function_params", parameters)
    run_start.look_at_functions_once()
    # The rules of another experiment, in a workflow that uses this one as a module.
    run_start.look_at_functions_once()
    for module in (common, jobs, rules, rules):
        assert module.get_function_params(parameters) == {"wildcards": None}
    assert inspected == [parameters]
