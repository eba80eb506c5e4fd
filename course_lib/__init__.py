"""Companion package of the course Attention to Edge; importing it loads no TensorFlow."""

__version__ = "0.1.0"
