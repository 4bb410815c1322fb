"""Traced graphs: tracing and helpers for their nodes."""
