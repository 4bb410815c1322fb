"""The files of a run directory: the store, artefacts, journals, the lock, published files and clean-up."""
