"""Questions of lesson 08: percentiles, drift, temperature, batches, calibration, cost, a fleet, an alert."""

from course_lib.questions.deployment import (
    cost_per_thousand,
    expected_calibration_error,
    firing,
    fleet_percentile,
    histogram_quantile,
    micro_batches,
    population_stability_index,
    temperature_scaling,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        histogram_quantile,
        population_stability_index,
        temperature_scaling,
        micro_batches,
        expected_calibration_error,
        cost_per_thousand,
        fleet_percentile,
        firing,
    )
)
