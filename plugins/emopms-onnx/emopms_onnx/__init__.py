"""ONNX for emopms: the exporter ``onnx`` and the objective ``latency``."""
