"""What the project does to networks: trace, divide, group channels, slice, count. Pure PyTorch, no spec."""
