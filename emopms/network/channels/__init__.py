"""Channels and genes: finds channels kept or dropped together, and removes channels from layers."""
