"""Forecasts the stages, seconds and memory of a run, for ``emopms plan``."""
