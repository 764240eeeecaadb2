"""Documents, tokenizers and rows of tokens."""
