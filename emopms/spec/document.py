"""Reads YAML text into plain data with the position of every value in the file.

A YAML file cannot import or call anything. The size, the depth and the number of values are limited, so that reading is
fast. Ambiguous YAML is refused: duplicate keys, tags, merge keys, and the numbers that `emopms.spec.scalars` refuses.
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, NoReturn

import yaml

from emopms.errors import Problem, SpecError
from emopms.spec.scalars import UNPRINTABLE, Refusal, read_key, read_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

MAX_BYTES: Final = 2**20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 10_000

_PATIENCE = 5.0
"""Seconds to wait until somebody writes to a pipe."""
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # the line breaks that PyYAML recognises

KeyPath = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, both counted from 1."""


class Text(NamedTuple):
    """The lines of a file, or of a ``--set`` option."""

    file: str
    """The file as the user named it."""
    lines: Sequence[str]

    @classmethod
    def of(cls, file: str, text: str) -> Text:
        return cls(file, _LINE_BREAK.split(text))

    def problem(self, place: Place, path: KeyPath, message: str, remedy: str) -> Problem:
        """Return a problem at a place of this text."""
        line, column = place
        return Problem(path, message, remedy, line, column, self.file, self.lines[line - 1])


class Position(NamedTuple):
    """The places of a value and of its key in a file. For an item of a list, both places are the same."""

    value: Place
    key: Place
    text: Text


@dataclass(frozen=True)
class Document:
    """The data of a YAML file, or of several files that `emopms.spec.compose` has merged, with positions."""

    file: str
    """The file as the user named it."""
    data: dict[str, Any]
    positions: Mapping[KeyPath, Position]
    """Position of every value, by its path of keys and list indices."""
    problems: tuple[Problem, ...] = ()
    """Problems of single keys and values. A key with a problem is left out of ``data``. A value with a problem is None
    in ``data``."""

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file.

        Raises:
            SpecError: The file does not exist, is not YAML that a spec may contain, or exceeds the limits.
        """
        try:
            found = path.stat()
            if stat.S_ISREG(found.st_mode) and found.st_size == 0:
                content = b""  # reading some files of size 0 never ends, such as /proc/kmsg
            else:
                with _opened(path, is_pipe=stat.S_ISFIFO(found.st_mode)) as file:
                    content = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            _refuse(path, "there is no such file.", "Check the path; it is relative to the current folder.")
        except IsADirectoryError:
            _refuse(path, "this is a folder.", "Name the YAML file in it.")
        except (OSError, ValueError) as error:  # ValueError: a path that holds a null character
            reason = getattr(error, "strerror", None) or error
            _refuse(path, f"the file cannot be read: {reason}.", "Check the path and its permissions.")
        return cls.parse(content, file=str(path))

    @classmethod
    def parse(cls, content: bytes, *, file: str) -> Document:
        """Read the content of a file.

        Args:
            content: The bytes of the file.
            file: Name of the file, for error messages.

        Raises:
            SpecError: The content is not YAML that a spec may contain.
        """
        text = _decode(content, file)
        shown = Text.of(file, text)
        builder = _Builder(shown)
        data = _compose(text, shown, builder.build_root)
        return cls(file, data, builder.positions, tuple(builder.problems))

    @classmethod
    def setting(cls, path: KeyPath, value: str, *, text: Text, column: int) -> Document:
        """Return a document with a single value, which a ``--set`` option gives.

        Args:
            path: Keys and list indices that lead to the value.
            value: The text after the equals sign, as YAML.
            text: The whole option that the user wrote, one line.
            column: Column at which the value begins, counted from 1.

        Raises:
            SpecError: The value is not YAML that a spec may contain.
        """
        builder = _Builder(text)
        # Spaces replace the path, so that columns match the line that the user wrote.
        padded = " " * (column - 1) + value
        data = _compose(padded, text, lambda node: builder.build_value(node, path, (1, column)))
        for length in range(len(path)):
            builder.positions[path[:length]] = Position((1, 1), (1, 1), text)
        for key in reversed(path):
            data = {key: data}
        return cls(text.file, data, builder.positions, tuple(builder.problems))

    def follow(self, path: Iterable[str | int]) -> tuple[KeyPath, KeyPath]:
        """Split a path into the part that is written in the file and the remaining part.

        Steps that are not in the file are skipped. For example, ``("split", "points", 1)`` becomes ``("split", 1)`` if
        the spec holds a bare list for ``split``. The first step is never skipped.
        """
        found: KeyPath = ()
        rest: KeyPath = ()
        for step in path:
            if (*found, step) in self.positions and (found or not rest):
                found, rest = (*found, step), ()
            else:
                rest = (*rest, step)
        return found, rest

    def locate(self, path: Iterable[str | int], *, key: bool = False) -> Place:
        """Return line and column of the value at a path.

        If the file does not contain the value, the result is the place of the nearest key above it in the file.

        Args:
            path: Keys and list indices.
            key: Whether to return the place of the value's key instead.
        """
        found, rest = self.follow(path)
        position = self.positions[found]
        return position.key if key or rest else position.value

    def problem(self, path: Iterable[str | int], message: str, remedy: str = "", *, key: bool = False) -> Problem:
        """Return a problem of the value at a path, with its position. If ``key`` is set, the key has the problem."""
        path = tuple(path)
        found, _ = self.follow(path)
        return self.positions[found].text.problem(self.locate(path, key=key), path, message, remedy)


class _Loader(yaml.SafeLoader):
    """Reads YAML into a tree of nodes, and raises an error if the depth or the number of nodes exceeds its limit.

    The base class is PyYAML's loader in pure Python, because the faster loader of libyaml does not limit the depth of
    its recursion. A spec is small, so that speed does not matter.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise Refusal("tags (!…) are not accepted.", "Remove the tag, or quote the text.", event.start_mark)
        self._nodes += 1
        self._depth += 1
        _check_bounds(self._depth, self._nodes, event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Converts a tree of nodes to plain data. It collects the problems of all keys and scalars."""

    def __init__(self, text: Text) -> None:
        self.positions: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self._text = text
        self._nodes = 0

    def build_root(self, node: yaml.Node | None) -> dict[str, Any]:
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            mark = node.start_mark if node else None
            raise Refusal("the spec is empty.", "Give at least version, name, backbone, data, targets.", mark)
        if not isinstance(node, yaml.MappingNode):
            kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
            remedy = "Write lines of the form `key: value`, with a space after the colon."
            raise Refusal(f"a spec is a mapping, and this is {kind}.", remedy, node.start_mark)
        self._register(node, (), _place(node.start_mark))
        return self._build_mapping(node, ())

    def build_value(self, node: yaml.Node | None, path: KeyPath, place: Place) -> Any:
        if node is None:  # an empty text, which means null in YAML
            self.positions[path] = Position(place, (1, 1), self._text)
            return None
        return self._build(node, path, (1, 1))

    def _build(self, node: yaml.Node, path: KeyPath, key: Place) -> Any:
        self._register(node, path, key)
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self._build(item, (*path, index), _place(item.start_mark)) for index, item in items]
        assert isinstance(node, yaml.ScalarNode)
        try:
            return read_scalar(node)
        except Refusal as refusal:
            self._note(refusal, path, node.start_mark)
            return None

    def _build_mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            try:
                key = read_key(key_node)
                if key in data:
                    lines = f"{self.positions[(*path, key)].key[0]} and {place[0]}"
                    raise Refusal(f"{key!r} is given twice, on lines {lines}.", "Keep one of them.")
            except Refusal as refusal:
                self._note(refusal, path, key_node.start_mark)
            else:
                data[key] = self._build(value_node, (*path, key), place)
        return data

    def _register(self, node: yaml.Node, path: KeyPath, key: Place) -> None:
        # Values are counted here again, because aliases let one node stand at many paths, even below itself.
        self._nodes += 1
        _check_bounds(len(path) + 1, self._nodes, node.start_mark)
        self.positions[path] = Position(_place(node.start_mark), key, self._text)

    def _note(self, refusal: Refusal, path: KeyPath, mark: yaml.Mark) -> None:
        self.problems.append(self._text.problem(_place(mark), path, refusal.problem or "", refusal.note or ""))


def _compose(content: str, text: Text, build: Callable[[yaml.Node | None], Any]) -> Any:
    """Parse YAML and return the result of ``build`` for its tree of nodes.

    Args:
        content: The YAML to parse.
        text: The text that errors show.
        build: Function that converts the root node to data.
    """
    try:
        loader = _Loader(content)
    except yaml.reader.ReaderError as error:
        message = f"there is the unprintable character {chr(error.character)!r}."
        raise SpecError([_problem_at(content, error.position, text, message, "Remove it.")]) from error
    try:
        return build(loader.get_single_node())
    except yaml.MarkedYAMLError as error:
        raise SpecError([_yaml_problem(error, content, text)]) from error
    except (ValueError, OverflowError) as error:  # PyYAML does not catch these, for instance for "\UFFFFFFFF"
        message, remedy = f"not valid YAML: {error}.", "Correct this value."
        raise SpecError([_problem_at(content, loader.index, text, message, remedy)]) from error


def _check_bounds(depth: int, nodes: int, mark: yaml.Mark) -> None:
    if depth > MAX_DEPTH:
        raise Refusal(f"values are nested more than {MAX_DEPTH} deep.", "Flatten them.", mark)
    if nodes > MAX_NODES:
        raise Refusal(f"there are more than {MAX_NODES} values, aliases expanded.", "Is this a spec?", mark)


def _opened(path: Path, *, is_pipe: bool) -> BinaryIO:
    """Open a file or a pipe. A pipe with a name may have no writer, and is not waited for without end.

    Raises:
        OSError: The file cannot be opened, or nobody writes to the pipe.
    """
    if not is_pipe or not os.path.exists(os.path.realpath(path)):  # noqa: PTH110  (a pipe of the shell, as <(…) makes)
        return path.open("rb")
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not select.select([number], [], [], _PATIENCE)[0]:
        os.close(number)
        raise TimeoutError(errno.ETIMEDOUT, "it is a pipe, and nobody writes to it")
    os.set_blocking(number, True)
    return os.fdopen(number, "rb")


def _place(mark: yaml.Mark) -> Place:
    return mark.line + 1, mark.column + 1


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        raise SpecError([Problem((), "the file is larger than 1 MiB.", "Is this a spec?", file=file)])
    if b"\0" in content:
        remedy = "A spec is a text file; save it in the encoding UTF-8."
        raise SpecError([Problem((), "the file is binary, or not in UTF-8.", remedy, file=file)])
    text = content.decode("utf-8-sig", errors="replace")
    shown = Text.of(file, text)
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        index = len(content[: error.start].decode("utf-8-sig"))
        message, remedy = "the file is not in UTF-8.", "Save it in the encoding UTF-8."
        raise SpecError([_problem_at(text, index, shown, message, remedy)]) from error
    if bad := UNPRINTABLE.search(text):
        message = f"the file holds the unprintable character {bad[0]!r}."
        raise SpecError([_problem_at(text, bad.start(), shown, message, "Remove it.")])
    return text


def _yaml_problem(error: yaml.MarkedYAMLError, content: str, text: Text) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark and mark.index == len(content):  # a bracket or quote is not closed: show where it begins
        mark = error.context_mark or mark
    index = mark.index if mark else 0
    if isinstance(error, Refusal):
        return _problem_at(content, index, text, error.problem or "", error.note or "")
    if content[index : index + 1] == "\t":
        return _problem_at(content, index, text, "a tab where YAML takes only spaces.", "Use spaces instead.")
    message = f"not valid YAML: {', '.join(filter(None, (error.context, error.problem)))}."
    remedy = "Check indentation, colons, brackets and quotes near here."
    return _problem_at(content, index, text, message, remedy)


def _problem_at(content: str, index: int, text: Text, message: str, remedy: str) -> Problem:
    before = _LINE_BREAK.split(content[:index])
    return text.problem((len(before), len(before[-1]) + 1), (), message, remedy)


def _refuse(path: Path, message: str, remedy: str) -> NoReturn:
    raise SpecError([Problem((), message, remedy, file=str(path))]) from None
