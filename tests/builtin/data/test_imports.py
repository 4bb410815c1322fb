from __future__ import annotations

import subprocess
import sys


def test_components_import_nothing_heavy() -> None:
    modules = ", ".join(f"emopms.builtin.data.{name}" for name in ("digits", "idx", "image_folder", "photos", "arrays"))
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'numpy', 'PIL', 'sklearn'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
