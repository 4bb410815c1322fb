"""Access to the machine: device, kernels, memory and parallelism."""
