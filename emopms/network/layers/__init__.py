"""Properties of single layers besides the values of their tensors: sizes, head counts, batch norm, modes."""
