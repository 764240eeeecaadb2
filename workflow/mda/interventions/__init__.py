"""Which samples are selected, and what is done with them."""
