import subprocess
import sys


def test_what_the_web_process_imports_does_not_load_torch():
    code = "import sys, training.config, training.data.dataset, training.errors, training.events as _; "
    check = "sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'cv2', 'plotly')))"
    assert subprocess.run([sys.executable, "-c", code + check], check=False).returncode == 0


def test_threads_that_wait_sleep():
    code = "import os, sys, training; sys.exit(os.environ['OMP_WAIT_POLICY'] != 'passive')"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
