"""Finished runs: their fronts and models, more models from the same search, and differences between runs."""
