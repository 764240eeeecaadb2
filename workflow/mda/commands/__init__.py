"""The verbs of the command `mda`, with a module for each; `program` reads the command line."""
