"""The machine: device, kernels, memory and parallelism."""
