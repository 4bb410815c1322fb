"""Weights from elsewhere and exported models: reading, checking and describing them."""
