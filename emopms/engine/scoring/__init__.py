"""Scores networks on images: loss, accuracy, recall, and a check against guessing."""
