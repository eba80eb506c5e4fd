"""Settings for the unit tests only; kernels of notebooks under nbval keep Jupyter's own figures."""

import matplotlib as mpl

mpl.use("agg")  # Figures need no screen.
