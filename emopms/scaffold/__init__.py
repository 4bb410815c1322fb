"""Plugin packages to start from: ``emopms new``."""

from emopms.scaffold.write import write_plugin

__all__ = ["write_plugin"]
