"""Settings for pytest that hold for unit tests and for notebooks under nbval."""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
pytest_plugins = ["pictures"]


def pytest_collectstart(collector):
    """Leaves stderr out of nbval's comparison: which warnings libraries write there varies by machine."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)
