"""Types that are plain Python."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Samples(NamedTuple):
    """Configurations with the logarithm of the probability under which each was drawn."""

    x: NDArray[np.uint8]
    """Configurations, shape (samples, sites)."""
    log_prob: NDArray[np.float64]
    """Log-probabilities in nats, shape (samples,)."""
