"""Genes: which channels belong together, slicing, surgery and costs."""
