"""Functions that read, check and describe weights files and exported models."""
