"""From a spec to its results: checks before anything runs, stages with keys, the runner, publishing."""
