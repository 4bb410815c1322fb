"""The stages of EMO-PMS, one file each, in the order in which they run."""
