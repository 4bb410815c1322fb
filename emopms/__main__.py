"""Runs the command line for ``python -m emopms``."""

from emopms.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
