"""A linear layer on the encoder's vectors: what customer service and news put on a frozen encoder."""

import dataclasses

import numpy as np

from course_lib.deployment import softmax


@dataclasses.dataclass(frozen=True)
class Head:
    """A linear layer from a vector to a logit per class.

    Attributes:
        kernel: Float32 array `(width, classes)`.
        bias: Float32 array `(classes,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray

    def logits(self, vectors):
        """Logits `(n, classes)` of vectors `(n, width)`, float32."""
        return np.asarray(vectors, "float32") @ self.kernel + self.bias

    def probabilities(self, vectors):
        """Probabilities `(n, classes)` of vectors `(n, width)`."""
        return softmax(self.logits(vectors))
