"""Checks that the weights file that a spec names exists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emopms.spec.model import Spec


def require_weights_file(spec: Spec) -> None:
    """Check that the weights file of a spec exists, if its folder is known.

    The folder is known if the path is absolute, or if the environment variable ``EMOPMS_DATA`` names a folder.
    Otherwise the path is not checked, because the user may give the folder to the run by ``--data-root``.

    Raises:
        SpecError: The file does not exist.
    """
    weights, root = spec.backbone.weights, os.environ.get("EMOPMS_DATA", "")
    absolute = weights is not None and Path(weights).is_absolute()
    if weights is None or not (absolute or (root and Path(root).is_dir())):
        return
    path = Path(root, weights)
    if not os.path.lexists(path):
        remedy = "Correct the path." if absolute else "A relative path begins at the folder that EMOPMS_DATA names."
        raise spec.problem(("backbone", "weights"), f"there is no file {path}.", remedy)
