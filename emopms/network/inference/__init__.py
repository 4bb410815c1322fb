"""Runs many candidates fast: evaluator, executor, fusion, int8 and shared prefixes."""
