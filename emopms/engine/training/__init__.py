"""Trains networks: the training loop of all stages, and the state with the best score on validation images."""
