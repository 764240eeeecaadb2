"""The reference of rules: what each reads and makes, as its Snakefile says."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_text import code, prose, table

# Of a rule, with what belongs to it by its indentation.
RULE = re.compile(
    r"^(?P<indent> *)(?:rule|checkpoint)(?: (?P<name>\w+))?:\n(?P<body>(?:(?P=indent) +.*\n|\n)+)", re.M
)
FUNCTION = re.compile(r"^def (?P<name>\w+)\(.*\n(?:(?: +.*|\))\n|\n)+", re.M)
VARIABLE = re.compile(r"^(?P<name>\w+) = (?P<value>.*<results>/.*)$", re.M)
SECTION = r"^{indent}{name}:(?P<text>.*\n(?:{indent} +.*\n|\n)*)"


@dataclass(frozen=True)
class Rule:
    """A rule as it stands in a file.

    Attributes:
        docstring: what it does.
        inputs, outputs: paths with wildcards; of an input function its docstring, as a text between brackets.
        local: whether it runs where the workflow runs, and not as a job of a cluster, in a small experiment.
        gpu: whether it asks for a GPU.
    """

    name: str
    docstring: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    local: bool = False
    gpu: bool = False


def of_file(path: Path, functions: dict[str, str]) -> list[Rule]:
    """The rules of a file, in its order.

    Args:
        functions: name -> first sentence, of the workflow's input functions.

    Raises:
        ValueError: for a rule without a docstring.
    """
    found = []
    for match in RULE.finditer(path.read_text(encoding="utf-8")):
        body = textwrap.dedent(match["body"])
        told = re.match(r'\s*"""(.*?)"""', body, re.S)
        if told is None:
            raise ValueError(f"{path}: rule {match['name']} has no docstring")
        found.append(
            Rule(
                match["name"] or next(_texts(ast.parse(_section(body, "name").strip()))),
                " ".join(told[1].split()),
                [*_paths(_section(body, "input"), functions)],
                [*_paths(_section(body, "output"), functions)],
                "localrule: " in body,
                bool(re.search(r"^\s+gpu=1", body, re.M)),
            )
        )
    return found


def input_functions(paths: list[Path]) -> dict[str, str]:
    """What inputs are named by: function -> first sentence of its docstring; variable -> the path in it."""
    found = {}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for match in FUNCTION.finditer(text):
            [function] = ast.parse(match[0]).body
            told = ast.get_docstring(function) if isinstance(function, ast.FunctionDef) else None
            first = (told or match["name"]).split("\n\n")[0].replace("\n", " ").rstrip(".")
            found[match["name"]] = first.removeprefix("An input function: ")
            # One that makes a path of its arguments, by the name of a call.
            made = [text for text in _texts(function) if text.startswith("<results>/")]
            if isinstance(function, ast.FunctionDef) and len(made) == 1:
                for place, argument in enumerate(function.args.args):
                    made = [text.replace(f"{{{argument.arg}}}", f"{{{place}}}") for text in made]
                found[f"{match['name']}()"] = made[0]
        for match in VARIABLE.finditer(text):
            named = [text for text in _texts(ast.parse(match["value"])) if text.startswith("<results>/")]
            if len(named) == 1:
                found[match["name"]] = named[0]
    return found


def header(path: Path) -> str:
    """The title of a file: the first line of the comment that it begins with."""
    return path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ").rstrip(".")


def _section(body: str, name: str) -> str:
    match = re.search(SECTION.format(indent="", name=name), body, re.M)
    return match["text"] if match else ""


def _paths(section: str, functions: dict[str, str]) -> Iterator[str]:
    """Paths and descriptions in a section of a rule, which is written as the arguments of a call."""
    if not section.strip():
        return
    [call] = ast.parse(f"f({section}\n)").body
    assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
    for value in [*call.value.args, *(keyword.value for keyword in call.value.keywords)]:
        yield from _of_value(value, functions)


def _of_value(value: ast.expr, functions: dict[str, str]) -> Iterator[str]:
    paths = [text for text in _texts(value) if text.startswith("<results>/")]
    if paths:
        yield from dict.fromkeys(paths)
        return
    if isinstance(value, ast.Call) and f"{ast.unparse(value.func)}()" in functions:
        made = functions[f"{ast.unparse(value.func)}()"]
        for place, argument in enumerate(value.args):
            made = made.replace(f"{{{place}}}", "".join(_texts(argument)))
        yield made
        return
    names = [part.id for part in ast.walk(value) if isinstance(part, ast.Name)]
    known = [functions[name] for name in names if name in functions]
    if not known:
        yield f"({ast.unparse(value)})"
    elif known[0].startswith("<results>/"):
        yield known[0]
    else:
        yield f"({known[0][0].lower()}{known[0][1:]})"


def _texts(value: ast.AST) -> Iterator[str]:
    """The texts in an expression; what a formatted one fills in stands in braces."""
    if isinstance(value, ast.JoinedStr):
        yield (
            "".join(
                str(part.value)
                if isinstance(part, ast.Constant)
                else f"{{{ast.unparse(part.value).split('.')[-1].lower()}}}"
                for part in value.values
                if isinstance(part, ast.Constant | ast.FormattedValue)
            )
            .replace("{{", "{")
            .replace("}}", "}")
        )
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    else:
        for part in ast.iter_child_nodes(value):
            yield from _texts(part)


def tables(files: dict[str, list[Rule]]) -> str:
    """A table for each file of rules."""
    lines: list[str] = []
    for title, rules in files.items():
        if not rules:
            continue
        rows = [
            [
                f'<span id="{rule.name}"></span>{code(rule.name)}',
                prose(rule.docstring) + (" *GPU.*" if rule.gpu else ""),
                "<br>".join(map(_shown, rule.inputs)),
                "<br>".join(map(_shown, rule.outputs)),
            ]
            for rule in rules
        ]
        lines += [f"## {title}\n", table(["Rule", "What it does", "Reads", "Makes"], rows)]
    return "\n".join(lines)


def _shown(path: str) -> str:
    return prose(path) if path.startswith("(") else code(path.removeprefix("<results>/"))
