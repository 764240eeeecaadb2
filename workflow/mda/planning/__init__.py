"""Which selections, branches, runs and jobs there are, and what they cost. No result is read here."""
