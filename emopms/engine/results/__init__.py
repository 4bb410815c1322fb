"""Typed results that stages hand on: each knows the files in which it is stored."""
