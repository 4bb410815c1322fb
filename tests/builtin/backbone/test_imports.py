from __future__ import annotations

import subprocess
import sys


def test_components_import_no_torch() -> None:
    modules = ", ".join(f"emopms.builtin.backbone.{name}" for name in ("resnet_cifar", "vgg_cifar", "small_resnet"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
