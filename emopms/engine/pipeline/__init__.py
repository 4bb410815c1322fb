"""The pipeline from a spec to its results: early checks, stages with keys, the runner, and publishing."""
