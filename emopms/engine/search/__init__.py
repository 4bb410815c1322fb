"""One search: the search loop, the evaluation of candidates, the cache of evaluations and the log of evaluations."""
