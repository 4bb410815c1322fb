"""The runs of emopms in TensorBoard."""
