"""One search: the loop, its evaluations, their cache and their log."""
