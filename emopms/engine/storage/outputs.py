"""The files that a run publishes for its user. While ``publishing.json`` exists, publishing is not complete.

``published.json`` lists the published files with their checksums. So a later run knows which files emopms wrote, and
replaces only these. If any other file has the path of a file to be published, it is renamed first. This includes files
of emopms that somebody changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from loguru import logger

from emopms.engine.storage.artefact import digest_of, digest_of_file
from emopms.engine.storage.atomic import regular_size, write_atomic
from emopms.engine.storage.sealed import read_sealed, write_sealed
from emopms.engine.storage.serialization import UNREADABLE
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

PUBLISHED: Final = "published.json"
PUBLISHING: Final = "publishing.json"
_KEPT = ".kept"


@dataclass(frozen=True)
class Publication:
    """The list of the files that runs published in a run directory."""

    run: str
    """Fingerprint of the plan of the run that published the files (see `fingerprint_of`)."""
    files: Mapping[str, str]
    """Size and SHA-256 of each file (see `version_of`), by its path relative to the run directory."""
    earlier: Mapping[str, Sequence[str]]
    """Size and SHA-256 of all versions of each file that earlier runs published, by path."""

    @property
    def known(self) -> dict[str, set[str]]:
        """Size and SHA-256 of all versions of each file that this run or earlier runs published, by path."""
        known = {name: set(digests) for name, digests in self.earlier.items()}
        for name, digest in self.files.items():
            known.setdefault(name, set()).add(digest)
        return known


class Outputs:
    """The published files of one run directory."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._store = folder, folder / "store"

    def publish(
        self,
        files: Mapping[str, bytes],
        plan: Mapping[str, str],
        *,
        stay: Sequence[str] = (),
        replaced: Sequence[str] = (),
    ) -> None:
        """Write files. Files that emopms did not write are renamed, and never replaced.

        If the process is killed during the call, the same call in a later process continues the work.

        Args:
            files: Content of each file, by path relative to the run directory.
            plan: Keys of the run's stages.
            stay: Folders whose files were published earlier, and belong to this publication too.
            replaced: Folders whose content is replaced. Files of earlier publications that are not replaced are removed
                from there.

        Raises:
            StoreError: A file cannot be written.
        """
        known: dict[str, set[str]] = {}
        for publication in (self.published(), _read(self._store / PUBLISHING)):
            for name, digests in publication.known.items() if publication else ():
                known.setdefault(name, set()).update(digests)
        new = {name: version_of(content) for name, content in files.items()}
        before = self.published()
        staying = {
            name: version
            for name, version in (before.files.items() if before else ())
            if name not in new and any(PurePosixPath(name).is_relative_to(folder) for folder in stay)
        }
        record = {"format": 1, "run": fingerprint_of(plan), "files": new | staying}
        earlier = {name: sorted(digests) for name, digests in known.items()}
        write_sealed(self._store / PUBLISHING, {**record, "earlier": earlier})
        for name, content in files.items():
            self._put(name, content, new[name], known.get(name, set()))
        for name in known.keys() - new.keys():
            if any(PurePosixPath(name).is_relative_to(folder) for folder in replaced):
                self._drop(name, known[name])
        listed = new.keys() | staying.keys()
        left = {name: digests for name, digests in earlier.items() if name not in listed and self._is(name, *digests)}
        write_sealed(self._store / PUBLISHED, {**record, "earlier": left})
        (self._store / PUBLISHING).unlink(missing_ok=True)
        if stale := sorted({str(PurePosixPath(*PurePosixPath(name).parts[:2])) for name in left}):
            logger.info("models of earlier runs stay until you run `emopms runs clean`: {}", ", ".join(stale))

    def differs(self, name: str, content: bytes) -> bool:
        """Return whether a file was published, with another content."""
        published = self.published()
        earlier = published.known.get(name, set()) if published else set()
        return bool(earlier - {version_of(content)})

    def published(self) -> Publication | None:
        """Return the list of published files; None if there is no valid list."""
        return _read(self._store / PUBLISHED)

    def paths(self) -> list[Path]:
        """Return the paths of all published files."""
        published = self.published()
        return sorted(self._folder / name for name in published.files) if published else []

    def holds(self, folder: str) -> bool:
        """Return whether a folder has published files, and none of them changed since."""
        published = self.published()
        files = published.files.items() if published else ()
        own = [(name, version) for name, version in files if PurePosixPath(name).is_relative_to(folder)]
        return bool(own) and all(self._is(name, version) for name, version in own)

    def is_of(self, plan: Mapping[str, str]) -> bool:
        """Return whether the published files are complete, and are the files of the run with this plan."""
        published = self.published()
        in_progress = os.path.lexists(self._store / PUBLISHING)
        return published is not None and not in_progress and published.run == fingerprint_of(plan)

    def damage(self) -> str:
        """Describe the first published file that changed since it was published; empty if no file changed."""
        published = self.published()
        changed = self.changed(tuple(published.files)) if published else ""
        return f"{self._folder / changed}: changed" if changed else ""

    def changed(self, names: Sequence[str]) -> str:
        """Return the first of the files that changed since it was published; empty if no file changed, and for files
        that are not on the list."""
        published = self.published()
        files = published.files if published else {}
        return next((name for name in names if name in files and not self._is(name, files[name])), "")

    def superseded(self) -> list[str]:
        """Return the relative paths of unchanged files of earlier runs that the latest run did not replace."""
        published = self.published()
        earlier = published.earlier if published else {}
        return [name for name, digests in earlier.items() if self._is(name, *digests)]

    def _put(self, name: str, content: bytes, version: str, ours: Collection[str]) -> None:
        path = self._folder / name
        for parent in reversed(path.relative_to(self._folder).parents[:-1]):
            folder = self._folder / parent
            if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
                set_aside(folder)
        if self._is(name, version):
            return
        if os.path.lexists(path) and not self._is(name, *ours):
            set_aside(path)
        write_atomic(path, content)

    def _drop(self, name: str, ours: Collection[str]) -> None:
        path = self._folder / name
        if not os.path.lexists(path):
            return
        if not self._is(name, *ours):
            set_aside(path)
            return
        try:
            path.unlink()
        except OSError as error:
            raise StoreError(
                f"{path} is of an earlier model and cannot be removed: {error}", remedy=f"Remove {path}."
            ) from error
        logger.info("{}: removed, because it belonged to an earlier model of this name", name)

    def _is(self, name: str, *versions: str) -> bool:
        path = self._folder / name
        try:
            size = regular_size(path)
            possible = [version for version in versions if version.startswith(f"{size}-")]  # hashing takes longer
            return bool(possible) and not path.is_symlink() and f"{size}-{digest_of_file(path)}" in possible
        except (OSError, ValueError):
            return False


def version_of(content: bytes) -> str:
    """Return what tells one content of a file from all others: its size in bytes and its SHA-256."""
    return f"{len(content)}-{digest_of(content)}"


def fingerprint_of(plan: Mapping[str, str]) -> str:
    """Return a hash of the keys of a run's stages."""
    return hashlib.sha256(json.dumps(dict(plan), sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Publication | None:
    try:
        record: dict[str, Any] = read_sealed(path)
        return Publication(record["run"], dict(record["files"]), dict(record["earlier"]))
    except UNREADABLE:
        return None


def set_aside(path: Path) -> None:
    """Rename a file, folder or link whose path a file of emopms needs. Nothing is overwritten.

    Raises:
        StoreError: It cannot be renamed.
    """
    number = 1
    while os.path.lexists(kept := path.with_name(f"{path.name}{_KEPT}{'' if number == 1 else f'-{number}'}")):
        number += 1
    try:
        path.rename(kept)
    except OSError as error:
        raise StoreError(f"{path} is in the way and cannot be renamed: {error}", remedy="Move it away.") from error
    logger.warning("{} is not a file of emopms, or it was changed: it is kept as {}", path, kept.name)
