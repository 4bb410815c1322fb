"""Figures that matplotlib draws: the style that all of them share, and the fronts of finished runs."""
