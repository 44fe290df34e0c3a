"""Train detectors that look where people looked. Runs alone: `python -m training`."""

import os

# Threads that wait for each other must sleep, not spin: on a machine that does other work too, a small
# network on two threads went from 9 to 102 images per second. OpenMP reads this once, as torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
