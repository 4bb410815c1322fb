"""What single layers keep beside their tensors: sizes, head counts, batch norm, modes."""
