"""What happens before the first job of a run."""

import signal
from types import SimpleNamespace

import pytest
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


def test_the_first_ctrl_c_alone_ends_a_run_without_a_cluster():
    handler = signal.getsignal(signal.SIGINT)
    try:
        run_start.end_once(SimpleNamespace(local_exec=False))
        assert signal.getsignal(signal.SIGINT) is handler
        run_start.end_once(SimpleNamespace(local_exec=True))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)
