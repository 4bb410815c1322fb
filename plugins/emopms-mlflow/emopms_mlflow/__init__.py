"""The runs of emopms in MLflow."""
