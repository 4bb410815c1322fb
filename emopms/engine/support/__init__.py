"""Small helpers of all rooms: guarded calls of components, seeds, paths, progress, log sinks, interruption."""
