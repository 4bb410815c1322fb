"""Runs many candidates (sub-networks pruned by genomes) fast: with fused operations, int8 and shared activations."""
