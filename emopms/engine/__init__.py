"""From a spec to pruned networks: plan, store, runner and the stages of EMO-PMS."""
