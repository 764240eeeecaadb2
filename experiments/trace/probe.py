"""A probe of one's own, for `make trace`."""


def attention_to_what_followed(model, tokens, units):
    """Mean attention of the heads, from a token that came before, to what followed it then.

    This is the prefix-matching score (Olsson et al. 2022, arXiv 2209.11895).

    Args:
        tokens: shape (sequences, 2 x length), each sequence twice.
        units: heads.
    """
    length = tokens.shape[1] // 2
    attentions = model(tokens, output_attentions=True).attentions
    # From the token at length + i to that at i + 1.
    found = [attentions[head.layer][:, head.number].diagonal(1 - length, -2, -1)[:, 1:] for head in units]
    return sum(each.mean() for each in found) / len(found)
