"""Files of a run directory: the store, artefacts, journals, locks, published files and clean-up."""
