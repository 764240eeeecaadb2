"""Train the model that `make trace` traces, as somebody else would have: without this workflow.

    python experiments/trace/make.py

It writes the folder `made` beside this file. `documents.jsonl` is a part of what the model was trained on,
with an id for each document. `early` and `late` are checkpoints of a LLaMA, each with its tokenizer: two
layers, in which two query heads share keys and values, tied embeddings, and weights in two files.

Half of the documents are prose, in which each word depends on the one before it. The others are tiled: they
repeat a short motif, which is known to form induction heads (Olsson et al. 2022, arXiv 2209.11895).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

MADE = Path(__file__).parent / "made"
WORDS = [consonant + vowel for vowel in "aeiou" for consonant in "bdfgklmnprst"]
END, UNKNOWN = "<|endoftext|>", "<unk>"
VOCABULARY = [END, UNKNOWN, *WORDS]
# Words in a document, shortest and longest.
LENGTHS = (16, 31)
BATCH = 64
# The training steps of the checkpoints.
STEPS = {"early": 210, "late": 330}
# Documents that are written down, the first of the training.
DOCUMENTS = 3000


def documents(seed: int) -> Iterator[tuple[str, list[str]]]:
    """Label and words of one document after another, without end."""
    generator = np.random.default_rng(seed)
    followers = np.stack([generator.permutation(len(WORDS))[:16] for _ in WORDS])
    likely = 1 / np.arange(1, 17)
    while True:
        length = int(generator.integers(LENGTHS[0], LENGTHS[1] + 1))
        if generator.random() < 0.5:
            motif = generator.integers(len(WORDS), size=generator.integers(4, 13))
            label, places = "tiled", np.resize(motif, length).tolist()
        else:
            label, places = "prose", [int(generator.integers(len(WORDS)))]
            for choice in generator.choice(16, size=length - 1, p=likely / likely.sum()):
                places.append(int(followers[places[-1], choice]))
        yield label, [WORDS[place] for place in places]


def tokenizer() -> Tokenizer:
    """Every word is a token."""
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(VOCABULARY)}, UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens([END, UNKNOWN])
    return made


def llama() -> LlamaForCausalLM:
    """The model before its training."""
    torch.manual_seed(0)
    settings = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(settings)
    with torch.no_grad():
        # Something that all words share. Attention to the word before, whatever the words, builds on it. A
        # LLaMA has no biases, and would take longer to learn it.
        model.model.embed_tokens.weight += 0.1 * torch.randn(settings.hidden_size)
    return model


def batch(texts: list[list[str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of some documents, each with its end, and what counts in the loss: not what fills them up."""
    width = LENGTHS[1] + 1
    tokens = torch.zeros((len(texts), width), dtype=torch.long)
    labels = torch.full_like(tokens, -100)
    for row, words in enumerate(texts):
        found = torch.tensor([VOCABULARY.index(word) for word in [*words, END]])
        tokens[row, : len(found)] = labels[row, : len(found)] = found
    return tokens, labels


def train(model: LlamaForCausalLM, texts: list[list[str]], folder: Path) -> None:
    """AdamW on one document after another; each checkpoint of `STEPS` goes to `folder`."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.008, betas=(0.9, 0.95), weight_decay=0.01)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
    for step in range(1, max(STEPS.values()) + 1):
        tokens, labels = batch(texts[(step - 1) * BATCH : step * BATCH])
        loss = model(tokens, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warm_up.step()
        for name, kept in STEPS.items():
            if step == kept:
                # Small enough that there are two files, as large models have many.
                model.save_pretrained(folder / name, max_shard_size="300KB")
                tokenizer().save(str(folder / name / "tokenizer.json"))
                print(f"{name}: step {step}, loss {loss.item():.3f} nats a token")


def main() -> None:
    """Write the folder, all of it or nothing."""
    # So small a model is not faster on more.
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    part = MADE.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    endless = documents(seed=0)
    made = [next(endless) for _ in range(max(STEPS.values()) * BATCH)]
    lines = (
        {"id": f"doc-{number:04d}", "kind": label, "text": " ".join(words)}
        for number, (label, words) in enumerate(made[:DOCUMENTS])
    )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (part / "documents.jsonl").write_text(text, encoding="utf-8")
    train(llama(), [words for _, words in made], part)
    shutil.rmtree(MADE, ignore_errors=True)
    part.rename(MADE)


if __name__ == "__main__":
    main()
