"""The studies: what `snakemake evidence` adds to an experiment. Each has a folder.

A study asks one question of the scores and runs of an experiment. Its folder has

    __init__.py   the question
    table.py      the arithmetic: from tables and arrays to the study's table; docstrings explain its columns
    figure.py     `draw(table, palette)`: the figure (a study may have none)
    finding.py    the claims that the table decides: each with the published statement, and the measure and
                  bound that give the verdict (a study may have none)
    caption.rst   the caption in the report

To add one, say `lengths`, which asks whether long samples have more influence:

1. `studies/lengths/` with these files. `tail` is the smallest example with a finding, `coupling` one with a
   figure as well. Nothing in `table.py` and `finding.py` imports `figure.py` or matplotlib: Snakemake makes
   again what runs changed code, and a change of a figure must not make the table again.
2. `mda/steps/studies/lengths.py`: one function that reads the inputs, calls `table`, and writes with
   `mda.evidence.csv_tables.write`. Its parameters are the step's command line.
3. `workflow/rules/studies/lengths.smk`: `rule study_lengths`, which names the inputs and settings of the
   step. Copy `tail.smk`.
4. One line each in `CONFIGURED` of `workflow/rules/study_inputs.smk` (when the study is made, and its place
   in the report), `FIGURES` of `mda/studies/figures.py`, and `FINDINGS` of `mda/studies/findings.py`.
5. If it has settings: a section in `mda/config/study_sections.py`, and its keys with a comment in
   `config.yaml`. If it needs runs of its own: `study_cells` in `mda/planning/design.py` says which.
6. `tests/unit/studies/test_lengths.py`: the arithmetic on data whose answer is known; `test_findings.py`:
   tables that give each verdict; `test_edges.py`: a table where nothing varies. `test_layout.py` finds what
   is missing.
"""
