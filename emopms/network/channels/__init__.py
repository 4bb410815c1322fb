"""Channels and genes: which channels are kept or dropped together, slicing, surgery and costs."""
