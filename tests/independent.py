"""Tiny models of every architecture, and their units' scores computed without taps or kronfluence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from conftest import Store
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM

from mda.corpus.tokens import PADDED
from mda.models import architectures
from mda.models.units import MLP, Attention, Neuron

KINDS = list(architectures.ARCHITECTURES)
HEADS, SIZE, NEURONS = 4, 8, 12
# Hidden size and what is particular to the architecture.
SETTINGS = {
    "gpt_neox": (32, {"intermediate_size": NEURONS}),
    "gpt2": (32, {"n_inner": NEURONS, "attn_pdrop": 0, "embd_pdrop": 0, "resid_pdrop": 0}),
    "llama": (32, {"attention_bias": True, "mlp_bias": True}),
    "mistral": (24, {"head_dim": SIZE}),
    "olmo2": (32, {"pad_token_id": None}),
    "qwen2": (32, {"tie_word_embeddings": True}),
    "qwen3": (24, {"head_dim": SIZE, "tie_word_embeddings": True}),
}
LLAMAS = KINDS[2:]
TOKENS = torch.from_numpy(np.random.default_rng(1).integers(0, 20, (3, 12)))
REPEATED = TOKENS[:, :6].repeat(1, 2)
STORE = Store(np.random.default_rng(0).integers(0, 20, (7, 11)))


def sampled_labels(logits, rows, seed):
    """Labels drawn from the model's predictions, in float64, of all tokens and the vocabulary at once."""
    draws = [np.random.default_rng([seed, int(row)]).random(logits.shape[1]) for row in rows]
    cumulative = logits.detach().double().softmax(dim=-1).cumsum(dim=-1)
    points = torch.from_numpy(np.stack(draws))[..., None] * cumulative[..., -1:]
    return torch.searchsorted(cumulative, points, right=True)[..., 0].clamp_max(logits.shape[-1] - 1)


def tiny(kind, dtype=torch.float32, attention="eager"):
    """Two layers of four heads of eight dimensions, in LLaMA's family two of keys and values."""
    hidden, own = SETTINGS[kind]
    sizes = {"num_key_value_heads": 2, "intermediate_size": NEURONS} if kind in LLAMAS else {}
    settings = AutoConfig.for_model(
        kind,
        vocab_size=20,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        max_position_embeddings=32,
        **sizes,
        **own,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(settings, attn_implementation=attention)
    for name, parameter in model.named_parameters():
        norm = parameter.ndim == 1 and name.endswith("weight")
        torch.nn.init.normal_(parameter, mean=float(norm), std=0.3)
    return model.to(dtype).eval()


class Weights(NamedTuple):
    """A layer's projections, as their names in the layer."""

    fused: str | None
    output: str
    inputs: tuple[str, ...]
    down: str


WEIGHTS = {
    "gpt_neox": Weights(
        "attention.query_key_value", "attention.dense", ("mlp.dense_h_to_4h",), "mlp.dense_4h_to_h"
    ),
    "gpt2": Weights("attn.c_attn", "attn.c_proj", ("mlp.c_fc",), "mlp.c_proj"),
} | dict.fromkeys(
    LLAMAS, Weights(None, "self_attn.o_proj", ("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj")
)


def layer_of(model, layer):
    base = model.base_model
    return (base.h if hasattr(base, "h") else base.layers)[layer]


def projections(kind):
    """Names of the projections of a layer that a unit may have a part of."""
    where = WEIGHTS[kind]
    apart = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    return [*(apart if where.fused is None else (where.fused,)), where.output, *where.inputs, where.down]


def own(kind, unit, of):
    """A unit's blocks; `of` gives a projection's (out, in) matrix, or (out,) or (in,) features."""
    where = WEIGHTS[kind]

    def rows(name, *shape):
        return of(name, "out").unflatten(0, shape)

    if isinstance(unit, Attention):
        return whole_attention(kind, of)
    if isinstance(unit, MLP):
        return {"in": torch.cat([of(name, "out") for name in where.inputs]), "out": of(where.down, "in")}
    if isinstance(unit, Neuron):
        return {
            "in": torch.stack([of(name, "out")[unit.number] for name in where.inputs]),
            "out": of(where.down, "in")[..., unit.number, None],
        }
    if kind == "gpt_neox":
        query, key, value = rows(where.fused, HEADS, 3, SIZE)[unit.number]
    elif kind == "gpt2":
        query, key, value = rows(where.fused, 3, HEADS, SIZE)[:, unit.number]
    else:
        query = rows("self_attn.q_proj", HEADS, SIZE)[unit.number]
        key, value = (
            rows(f"self_attn.{name}_proj", 2, SIZE).repeat_interleave(2, dim=0)[unit.number] for name in "kv"
        )
    columns = of(where.output, "in").unflatten(-1, (HEADS, SIZE))[..., unit.number, :]
    return {"qk": torch.cat([query, key]), "v": value, "o": columns}


def whole_attention(kind, of):
    """The blocks of all heads of a layer: all queries, then all keys; all values; all outputs."""
    fused, output = WEIGHTS[kind].fused, WEIGHTS[kind].output
    if kind == "gpt_neox":
        query, key, value = of(fused, "out").unflatten(0, (HEADS, 3, SIZE)).transpose(0, 1).flatten(1, 2)
    elif kind == "gpt2":
        query, key, value = of(fused, "out").chunk(3)
    else:
        query, key, value = (of(f"self_attn.{name}_proj", "out") for name in "qkv")
    return {"qk": torch.cat([query, key]), "v": value, "o": of(output, "in")}


def as_rows(kind, weight):
    return weight.T if kind == "gpt2" else weight


def gradients(kind, model, units, value):
    """Gradient of a scalar with respect to each block of each unit of an unsplit model."""
    names = [(layer, name) for layer in range(2) for name in projections(kind)]
    weights = [layer_of(model, layer).get_submodule(name).weight for layer, name in names]
    found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
    whole = {
        place: as_rows(kind, torch.zeros_like(weight) if gradient is None else gradient)
        for place, weight, gradient in zip(names, weights, found, strict=True)
    }
    return [own(kind, unit, lambda name, _, unit=unit: whole[unit.layer, name]) for unit in units]


def loss_of(model, tokens, labels=None):
    logits = model(tokens[None, :-1]).logits[0]
    return functional.cross_entropy(logits, tokens[1:] if labels is None else labels, reduction="sum")


def expected_scores(kind, query, store=STORE):
    """Identity scores by autograd, summed over the units, by block; of each row without what fills it up."""
    model = tiny(kind)
    ascents = gradients(kind, model, query.units, query.probe(model, query.tokens, query.units))
    scores = {}
    for tokens in torch.from_numpy(store.take(np.arange(len(store)))):
        descents = gradients(kind, model, query.units, loss_of(model, tokens[tokens != PADDED]))
        parts = {}
        for ascent, descent in zip(ascents, descents, strict=True):
            for block in ascent:
                parts[block] = parts.get(block, 0) - (ascent[block] * descent[block]).sum().item()
        for block, part in parts.items():
            scores.setdefault(block, []).append(part)
    return scores


def gradients_by_position(kind, model, units, tokens):
    """Gradient of a sample's loss with respect to each block of each unit, as if each position had its own.

    Every projection is replaced by one with a copy of its weight a position, and autograd
    differentiates with respect to the copies. Blocks have shape (context, out, in).
    """
    copies = {}

    def replace(module, inputs, output, place):
        del output
        weight = as_rows(kind, module.weight.detach())
        copies[place] = weight.repeat(len(tokens) - 1, 1, 1).requires_grad_()
        bias = 0 if module.bias is None else module.bias
        return torch.einsum("bti,toi->bto", inputs[0], copies[place]) + bias

    places = [(layer, name) for layer in range(2) for name in projections(kind)]
    handles = [
        layer_of(model, layer)
        .get_submodule(name)
        .register_forward_hook(lambda *given, place=(layer, name): replace(*given, place))
        for layer, name in places
    ]
    loss = loss_of(model, tokens)
    for handle in handles:
        handle.remove()
    found = dict(zip(places, torch.autograd.grad(loss, [copies[place] for place in places]), strict=True))
    blocks = []
    for unit in units:
        at = [
            own(kind, unit, lambda name, _, unit=unit, position=position: found[unit.layer, name][position])
            for position in range(len(tokens) - 1)
        ]
        blocks.append({block: torch.stack([parts[block] for parts in at]) for block in at[0]})
    return blocks


def dense_ekfac(kind, item):
    """EK-FAC scores by their definition: the descent of each sample along `dense_directions`."""
    (unit,) = item.units
    model, directions = tiny(kind, torch.float64), dense_directions(kind, item)
    scores = {block: [] for block in directions}
    for tokens in torch.from_numpy(STORE.take(np.arange(len(STORE)))):
        (descent,) = gradients(kind, model, [unit], loss_of(model, tokens))
        for block, direction in directions.items():
            scores[block].append(-(direction * descent[block]).sum().item())
    return scores


def dense_directions(kind, item):
    """EK-FAC's preconditioned gradient of the probe, in float64: explicit matrices and a linear solve."""
    (unit,) = item.units
    model, single, kept = tiny(kind, torch.float64), tiny(kind), {}
    for name in projections(kind):

        def keep(module, inputs, output, name=name):
            output.retain_grad()
            kept[name] = (inputs[0].detach(), output)

        layer_of(model, unit.layer).get_submodule(name).register_forward_hook(keep)
    where, pairs = WEIGHTS[kind], {}
    reads = {"in": where.inputs[0], "qk": where.fused or "self_attn.q_proj"}
    reads["v"] = reads["qk"]
    writes = {"o": where.output, "out": where.down}
    rows = torch.from_numpy(STORE.take(np.arange(len(STORE))))
    for row, tokens in enumerate(rows):
        # The labels must be those that kronfluence was given, drawn in float32.
        labels = sampled_labels(single(tokens[None, :-1]).logits, torch.tensor([row]), 5)[0]
        loss_of(model, tokens, labels).backward()
        # A column a token: gradients at outputs, and the head's features at the output's input.
        sides = {"out": lambda name: kept[name][1].grad[0].T, "in": lambda name: kept[name][0][0]}
        parts = own(kind, unit, lambda name, side, sides=sides: sides[side](name))
        for block, part in parts.items():
            pairs.setdefault(block, []).append(
                (kept[reads[block]][0][0], part.T)
                if block in reads
                else (part, kept[writes[block]][1].grad[0])
            )
    (ascent,) = gradients(kind, model, [unit], item.probe(model, item.tokens, item.units))
    directions = {}
    for block, samples in pairs.items():
        x, g = (torch.cat([sample[side] for sample in samples]) for side in (0, 1))
        basis = torch.kron(torch.linalg.eigh(g.T @ g / len(g))[1], torch.linalg.eigh(x.T @ x / len(x))[1])
        rotated = torch.stack([(g.T @ x).flatten() for x, g in samples]) @ basis
        eigenvalues = rotated.square().mean(dim=0)
        curvature = basis @ torch.diag(eigenvalues + 0.1 * eigenvalues.mean()) @ basis.T
        direction = torch.linalg.solve(curvature, ascent[block].flatten())
        directions[block] = direction.reshape(ascent[block].shape)
    return directions
