"""Names, types and defaults of an architecture's settings, without the slow import of transformers.

Its import takes seconds and loads torch, too long for a plan that is made at every call. A configuration in
transformers is a class of annotated names, so its source says all of this; it is read, never run.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

# Settings of a model's shape, which are at least 1.
SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "intermediate_size", "max_position_embeddings",
    "n_embd", "n_layer", "n_head", "n_inner", "n_positions",
)  # fmt: skip
# What architectures call differently, where transformers knows no alias.
SAME = (
    {"intermediate_size", "n_inner"},
    {"hidden_act", "activation_function"},
    {"layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps"},
    {"attention_dropout", "attn_pdrop"},
    {"hidden_dropout", "resid_pdrop"},
)
_TYPES = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "dict": dict}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}
_WORDS |= {"list": "a list", "dict": "a mapping", "None": "null"}


class Setting(NamedTuple):
    """A setting: the names of its types, empty where the source does not say; its default, where it does."""

    types: frozenset[str]
    default: Any


class Known(NamedTuple):
    """Settings of an architecture, and other names that it takes for them."""

    settings: dict[str, Setting]
    aliases: dict[str, str]


class Shape(NamedTuple):
    """Numbers of a model that is not made yet; None where unknown."""

    width: int | None
    layers: int | None
    heads: int | None
    groups: int | None
    head_size: int | None
    neurons: int | None
    context: int | None


@cache
def _shared(path: Path) -> dict[str, Setting]:
    return _settings(_classes(path)["PreTrainedConfig"])


@cache
def known(architecture: str) -> Known | None:
    """The settings of an architecture; None where transformers is not installed, as beside conda's steps."""
    found = importlib.util.find_spec("transformers")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    own = package / "models" / architecture / f"configuration_{architecture}.py"
    try:
        shared = _shared(package / "configuration_utils.py")
        classes = _classes(own).values()
    except (OSError, SyntaxError, KeyError):
        return None
    for body in classes:
        if _assigned(body, "model_type") == architecture:
            return Known({**shared, **_settings(body)}, _assigned(body, "attribute_map") or {})
    return None


def _classes(path: Path) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}


def _assigned(body: list[ast.stmt], name: str) -> Any:
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return None


def _settings(body: list[ast.stmt]) -> dict[str, Setting]:
    found = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).startswith("ClassVar"):
            try:
                default = ast.literal_eval(node.value) if node.value is not None else None
            except ValueError:
                default = None
            name = ast.unparse(node.target)
            if not name.startswith("_"):
                found[name] = Setting(_types(node.annotation), default)
    return found


def _types(annotation: ast.expr) -> frozenset[str]:
    if isinstance(annotation, ast.BinOp):
        parts = _types(annotation.left), _types(annotation.right)
        return parts[0] | parts[1] if all(parts) else frozenset()
    name = ast.unparse(annotation).partition("[")[0]
    return frozenset([name]) if name in _WORDS else frozenset()


def checked(architecture: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without those that null takes away, and whole numbers made decimal where those are wanted.

    Null takes away what the architecture does not know, or has no null for: an overlay's settings are merged
    with those of config.yaml, which may be another architecture's.

    Raises:
        ValueError: for a key that the architecture does not know, and a value that it cannot take.
    """
    found = known(architecture)
    if found is None:
        return settings
    names: dict[str, str] = {}
    kept: dict[str, Any] = {}
    for key, value in settings.items():
        name = found.aliases.get(key, key)
        setting = found.settings.get(name)
        if value is None and (setting is None or (setting.types and "None" not in setting.types)):
            continue
        if setting is None:
            raise ValueError(_unknown(architecture, key, found))
        if name in names:
            raise ValueError(
                f"'{names[name]}' and '{key}' are the same setting of {architecture}; take one away with null"
            )
        names[name] = key
        kept[key] = _value(architecture, key, value, setting.types)
    return kept


def is_dropout(key: str) -> bool:
    """Whether a setting is a dropout of the language model."""
    # GPT-2 writes attn_pdrop. The classifier's and the summary's belong to heads that language
    # models do not have.
    return ("dropout" in key or "pdrop" in key) and not key.startswith(("classifier", "summary"))


def _unknown(architecture: str, key: str, found: Known) -> str:
    others = [*found.settings, *found.aliases]
    same = [name for group in SAME if key in group for name in group if name in found.settings]
    near = same or difflib.get_close_matches(key, others, n=1, cutoff=0.0)
    return (
        f"unknown key '{key}' of {architecture}; did you mean '{near[0]}'? ({key}: null takes away what "
        "another file sets)"
    )


def _value(architecture: str, key: str, value: Any, types: frozenset[str]) -> Any:
    if types == {"float"} and type(value) is int:
        value = float(value)
    # True is an int to Python alone.
    fits = not types or (value is None and "None" in types) or type(value) in map(_TYPES.get, types)
    if not fits:
        wanted = " or ".join(word for name, word in _WORDS.items() if name in types)
        raise ValueError(f"'{key}' is {value!r}, but of {architecture} it is {wanted}; mend it")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"'{key}' is {value}, which is no finite number; mend it")
    if key in SIZES and isinstance(value, int) and value < 1:
        raise ValueError(f"'{key}' is {value}, but must be at least 1")
    if is_dropout(key) and value:
        raise ValueError(f"'{key}' is {value}, but runs can only be compared without dropout; set it to 0")
    return value


def shape(architecture: str, settings: dict[str, Any]) -> Shape:
    """The shape that settings give, an architecture's own names and defaults counted."""
    found = known(architecture) or Known({}, {})

    def value(key: str) -> int | None:
        names = [key, found.aliases.get(key, key)]
        given = next((settings[name] for name in names if settings.get(name) is not None), None)
        if given is None and names[1] in found.settings:
            given = found.settings[names[1]].default
        return given if type(given) is int else None

    width, heads = value("hidden_size"), value("num_attention_heads")
    neurons = value("n_inner" if "n_inner" in found.settings else "intermediate_size")
    if neurons is None and "n_inner" in found.settings and width is not None:
        neurons = 4 * width
    return Shape(
        width=width,
        layers=value("num_hidden_layers"),
        heads=heads,
        groups=value("num_key_value_heads"),
        head_size=value("head_dim"),
        neurons=neurons,
        context=value("max_position_embeddings"),
    )


def check_fit(folder: Path, vocabulary: int, context: int) -> None:
    """That a checkpoint's folder fits the tokenizer and the length of rows.

    Args:
        vocabulary: the tokenizer's largest id plus one.

    Raises:
        ValueError: when its config.json says that it does not.
    """
    kind, settings = of_checkpoint(folder)
    known, longest = settings.get("vocab_size"), shape(kind, settings).context
    if isinstance(known, int) and known < vocabulary:
        raise ValueError(
            f"{folder}: the model has a vocabulary of {known}, but the tokenizer has {vocabulary} "
            "tokens; use the tokenizer that belongs to the model"
        )
    if longest is not None and longest < context:
        raise ValueError(
            f"{folder}: the model reads at most {longest} tokens, but tokens.context is {context}; lower it"
        )


def of_checkpoint(folder: Path) -> tuple[str, dict[str, Any]]:
    """Architecture and settings of a checkpoint's folder.

    Raises:
        ValueError: when it has no config.json, or one that cannot be read, or is quantized.
    """
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kind, quantized = str(found["model_type"]), found.get("quantization_config")
    except FileNotFoundError:
        raise ValueError(
            f"checkpoint '{folder}' has no config.json; name a folder in Hugging Face format"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(
            f"checkpoint '{folder}': its config.json does not say what model it is; mend it"
        ) from None
    if quantized:
        raise ValueError(
            f"checkpoint '{folder}' is quantized (quantization_config in its config.json); save the model in "
            "bf16, fp16 or fp32"
        )
    return kind, found
