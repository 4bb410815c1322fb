"""Templates of ``emopms new``: one small, working component a slot, and the files around it."""
