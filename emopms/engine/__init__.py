"""The engine, which makes pruned networks from a spec: plan, store, runner and the stages of EMO-PMS."""
