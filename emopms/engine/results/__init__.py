"""Typed results of stages. Each class saves itself to files, and loads itself from them."""
