"""Downloads from the Hugging Face hub: of pinned commits, with pinned bytes."""
