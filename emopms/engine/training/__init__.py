"""Trains networks: the loop of all stages, and the best state by validation."""
