"""Settings and fixtures of the unit tests; kernels of notebooks under nbval keep Jupyter's own figures."""

import matplotlib as mpl
import pytest

from course_lib import weights

mpl.use("agg")  # Figures need no screen.


@pytest.fixture(scope="session")
def minilm():
    """The pretrained weights, `weights.Weights`; skips what needs them where they are not."""
    try:
        return weights.find()
    except weights.WeightsNotFoundError as error:
        pytest.skip(f"no pretrained weights: {error}")
