"""Reading ``architecture.json``, the description of an exported model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field

from emopms.api import Width
from emopms.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 4 * 2**20
"""The names of 100,000 classes take less; what is read grows twentyfold in memory."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Backbone(_Part):
    """A backbone's settings, which it will check itself."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(max_length=100)]


class _Input(_Part):
    shape: Annotated[list[Width], FailFast(), Field(min_length=3, max_length=3)]
    """[C, H, W]."""


class Architecture(_Part):
    """What is needed of it to build the dense network. The rest is for people and is not looked at."""

    backbone: _Backbone
    input: _Input
    classes: Annotated[list[str], FailFast(), Field(min_length=1)]
    sha256: dict[str, str] = Field(default_factory=dict)
    """Checksums of files beside it, in hexadecimal digits, by their names. Models of earlier versions have none."""


def read_architecture(folder: Path) -> Architecture:
    """The description in a model's folder.

    Raises:
        WeightsError: It is of another format.
        OSError, ValueError, RecursionError: It cannot be read, or makes no sense.
    """
    with regular(folder / "architecture.json").open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"architecture.json is larger than {_MOST_BYTES // 2**20} MiB")
    content = json.loads(text)
    if not isinstance(content, dict) or "format" not in content:
        raise ValueError("architecture.json names no format")
    if content["format"] != 1:
        raise WeightsError(
            f"{folder} is a model of format {str(content['format'])[:20]!r}; this version of emopms reads format 1.",
            remedy="Use the emopms version named in its architecture.json.",
        )
    return Architecture.model_validate(content)


def regular(path: Path) -> Path:
    """The path of a file; links to one will do.

    Raises:
        OSError: There is none, or a pipe or device, which might never end.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path.name} is no file")
    return path
