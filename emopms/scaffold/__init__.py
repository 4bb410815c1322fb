"""Creates plugin packages for ``emopms new``."""

from emopms.scaffold.write import component_name, write_plugin

__all__ = ["component_name", "write_plugin"]
