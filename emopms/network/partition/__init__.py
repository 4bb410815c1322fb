"""Divides a network into sub-networks."""
