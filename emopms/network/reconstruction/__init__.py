"""Solves the weights of a pruned network anew, so that its layers compute what they computed in the dense network."""
