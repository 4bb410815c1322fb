"""Image sets: which images serve for training, calibration, ranking, validation and test."""
