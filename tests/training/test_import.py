import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["config", "events", "dataset", "errors"])
def test_what_the_web_process_imports_does_not_load_torch(module):
    code = f"import training.{module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
