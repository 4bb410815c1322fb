"""The stages of EMO-PMS. Each stage has one file."""
