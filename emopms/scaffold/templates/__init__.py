"""Templates of ``emopms new``: one small, working component per slot, and the other files of a package."""
