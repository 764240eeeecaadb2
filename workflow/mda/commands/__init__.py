"""The verbs of the command `mda`, a module each; `program` reads the command line."""
