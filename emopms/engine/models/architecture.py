"""Reads ``architecture.json``, the description of an exported model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field

from emopms.api import Width
from emopms.api.exporter import description_checksum
from emopms.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 4 * 2**20
"""Maximum size of ``architecture.json``. The names of 100,000 classes take fewer bytes. The parsed file takes about
twenty times as much memory as the file."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Backbone(_Part):
    """The settings of a backbone. Only the name is checked here; the backbone itself checks all other settings."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(max_length=100)]


class _Input(_Part):
    shape: Annotated[list[Width], FailFast(), Field(min_length=3, max_length=3)]
    """Shape [C, H, W] of an input image: channels, height and width."""


class Architecture(_Part):
    """The fields of ``architecture.json`` that are needed to build the dense network. All other fields are ignored."""

    backbone: _Backbone
    input: _Input
    classes: Annotated[list[str], FailFast(), Field(min_length=1)]
    sha256: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the other files of the model, in hexadecimal digits, by file name. Models of earlier versions have no
    checksums."""


def read_architecture(folder: Path) -> Architecture:
    """Read and check ``architecture.json`` in the folder of a model.

    Raises:
        WeightsError: The file has a format that this version of emopms does not read.
        OSError, ValueError, RecursionError: The file cannot be read, or is not a valid description of a model.
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
    if content.get("checksum", description_checksum(content)) != description_checksum(content):
        raise WeightsError(
            f"{folder / 'architecture.json'} was changed since it was exported.",
            remedy="Copy or download the model again, or export it again.",
        )
    return Architecture.model_validate(content)


def regular(path: Path) -> Path:
    """Return a path unchanged, but refuse it if it is not a regular file. A link to a regular file is accepted.

    Raises:
        OSError: The path does not exist, or is a folder, a pipe or a device. To read a pipe or a device might never
            end.
    """
    if not path.is_file():
        raise OSError(f"{path.name} is no file" if path.exists() else f"there is no file {path.name} in it")
    return path
