# What the report judges and shows.

from snakemake.io import get_flag_value

# Studies of what `snakemake` makes anyway; the others ask for more.
PLAIN_STUDIES = ["tail", "enrichment", "stream"]


def studies_of(scope):
    """The studies with a table: all, or the plain ones."""
    return [*STUDY_TABLES] if scope == "evidence" else PLAIN_STUDIES


def tables_to_judge(wildcards):
    """The tables that findings are judged by."""
    return [f"<results>/{wildcards.scope}/effects.csv"] + expand(
        "<results>/evidence/{study}.csv", study=studies_of(wildcards.scope)
    )


def scope_of(page):
    """The folder of a page's effects and findings."""
    return "evidence" if page == "evidence" else "tables"


def findings_of_page(wildcards):
    """The findings that a page begins with."""
    return f"<results>/{scope_of(wildcards.page)}/findings.csv"


def shown_on_page(wildcards):
    """The figures and tables of a page, in its order."""
    scope = scope_of(wildcards.page)
    studies = [*studies_of(scope), *(["exact"] if scope == "evidence" and has_exact() else [])]
    drawn = [f"<results>/figures/evidence/{study}.png" for study in studies if study != "tail"]
    return [
        *figures(),
        f"<results>/{scope}/effects.csv",
        "<results>/samples/index.html",
        *drawn,
        *(f"<results>/evidence/{study}.csv" for study in studies),
    ]


def marked_for_report(paths):
    """What `report(...)` says, in the rules, of each of these files."""
    found = []
    for path in paths:
        for maker in workflow.rules:
            for output in maker.output:
                mark, match = get_flag_value(output, "report"), output.match(path)
                if mark is not None and match:
                    named = match.groupdict()
                    found.append(
                        {
                            "path": path,
                            "rule": maker.name,
                            "category": mark.category,
                            "labels": {key: text.format(**named) for key, text in mark.labels.items()},
                            "caption": os.path.relpath(mark.caption.get_path_or_uri(secret_free=True)),
                            "wildcards": named,
                        }
                    )
    return found
