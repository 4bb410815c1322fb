"""ONNX for emopms: an exporter, and latency as an objective."""
