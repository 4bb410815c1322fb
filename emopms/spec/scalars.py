"""Reads the scalars of a spec, and writes YAML that reads back as equal data.

The rules of YAML 1.2 (core schema) apply, which differ from PyYAML's rules: ``1e-3`` is a float, and ``no``, ``on`` and
dates are text. Numbers that are ambiguous (``012``) or not finite are refused.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LINE_BREAK = re.compile("[\n\r\x85\u2028\u2029]")

UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE
"""Pattern of the characters that YAML does not allow."""


class Refusal(yaml.MarkedYAMLError):
    """An error for YAML that PyYAML accepts but a spec does not."""

    def __init__(self, message: str, remedy: str, mark: yaml.Mark | None = None) -> None:
        super().__init__(problem=message, problem_mark=mark, note=remedy)


def read_plain(text: str) -> bool | int | float | str | None:
    """Return the value of an unquoted scalar.

    Raises:
        Refusal: The number is ambiguous, too large or not finite.
    """
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _LEADING_ZERO.fullmatch(text):
        raise Refusal(
            f"{_shorten(text)} is ambiguous: some readers take it as decimal, others as octal.",
            "Drop the leading zeros, write 0o… for octal, or quote the value if it is text.",
        )
    if _INTEGER.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        integer = int(text, base) if len(text) < 30 else None  # int() refuses thousands of digits
        if integer is None or not -(2**63) <= integer < 2**63:
            raise Refusal(f"the number {_shorten(text)} is too large.", "Whole numbers have at most 64 bits.")
        return integer
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise Refusal(f"the number {_shorten(text)} is too large.", "The largest is about 1.8e308.")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise Refusal(f"{text} is not accepted.", "Write a finite number.")
    return text


def read_scalar(node: yaml.ScalarNode) -> bool | int | float | str | None:
    """Return the value of a scalar. A quoted scalar is text.

    Raises:
        Refusal: The value is not accepted.
    """
    text: str = node.value
    if node.style is None:
        return read_plain(text)
    if bad := UNPRINTABLE.search(text):  # escape sequences can produce such characters
        raise Refusal(f"the text holds the unprintable character {bad[0]!r}.", "Remove it.")
    return text


def read_key(node: yaml.Node) -> str:
    """Return the text of a key.

    Raises:
        Refusal: The key is not text.
    """
    if not isinstance(node, yaml.ScalarNode):
        raise Refusal("a key cannot be a list or a mapping.", "Write `key: value` with one word as the key.")
    if node.style is None and node.value == "<<":
        raise Refusal("merge keys (<<) are not accepted.", "Write out the keys that it stands for.")
    key = read_scalar(node)
    if not isinstance(key, str):
        raise Refusal(f"the key {node.value or 'null'} is not text.", "Quote it if it is meant as text.")
    return key


def dump(data: Mapping[str, Any], *, flow: bool | None = False) -> str:
    """Return YAML text that `Document` reads back as equal data.

    Args:
        data: The data to write.
        flow: Whether to write everything on one line, in braces and brackets. None does this only for the innermost
            lists and mappings.
    """
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf") if flow else 110,
        default_flow_style=flow,
    )


class _Dumper(yaml.SafeDumper):
    """A dumper that writes a text in quotes if `read_plain` would not return the same text."""

    def represent_text(self, data: str) -> yaml.ScalarNode:
        try:
            is_text = read_plain(data) == data and not _LINE_BREAK.search(data)
        except Refusal:
            is_text = False
        style = None if is_text else '"'  # PyYAML folds line breaks in all other styles
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(str, _Dumper.represent_text)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
