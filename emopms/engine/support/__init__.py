"""Small helpers for the whole engine: guarded calls of components, seeds, paths, progress, log sinks, interruption."""
