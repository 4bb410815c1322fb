"""Runs many candidates fast: evaluator, executor, fused operations, int8, and activations that candidates share."""
