"""Creates plugin packages for ``emopms new``."""

from emopms.scaffold.write import write_plugin

__all__ = ["write_plugin"]
