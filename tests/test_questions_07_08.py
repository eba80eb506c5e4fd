"""Lessons 07 and 08: right answers of other kinds pass, and what once passed wrongly is recognised."""

import bisect
import itertools
import math

import numpy as np
import pytest
import scipy.special
from answering import by_question, verdict

from course_lib import questions

SEEDS = range(5)


def zero_point_from_the_upper_end(low, high):
    low, high = np.minimum([low, high], 0)[0], np.maximum([low, high], 0)[1]
    scale = (high - low) / 255
    return np.array([scale, round(127 - high / scale)])


def quantized_in_float32(x, scale, zero_point):
    whole = np.around(np.float32(x) / np.float32(scale)).astype("int32") + np.asarray(zero_point)
    return np.minimum(np.maximum(whole, -128), 127).astype(np.int8)


def scales_of_columns(kernel):
    columns = [max(map(abs, column.tolist())) for column in kernel.T]
    return [[largest / 127 or 1.0 for largest in columns]]


def packed_by_modulo(codes):
    whole = [int(code) % 16 for code in codes] + [0] * (len(codes) % 2)
    return np.array([a + 16 * b for a, b in zip(whole[::2], whole[1::2], strict=True)], np.uint8)


def unpacked_by_arithmetic_shift(packed, count):
    signed = packed.view("int8")
    result = np.empty(2 * len(packed), "int8")
    result[::2], result[1::2] = (signed << 4) >> 4, signed >> 4
    return result[:count]


def decibels_by_norms(x, approximation):
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.linalg.norm(x) / np.linalg.norm(x - approximation))


def quantiles(x, percentile):
    return np.quantile(x, [1 - percentile / 100, percentile / 100])


def gradient_by_clipping(x, gradient, scale):
    return np.where(np.clip(x, -128 * scale, 127 * scale) == x, gradient, 0)


def quantile_by_bisection(q, bounds, counts):
    upto = list(itertools.accumulate(counts.tolist()))
    if upto[-1] == 0:
        return float("nan")
    i = bisect.bisect_left(upto, q * upto[-1])
    if i >= len(bounds):
        return bounds[-1]
    edges = [0.0, *bounds]
    return edges[i] + (edges[i + 1] - edges[i]) * (1 - (upto[i] - q * upto[-1]) / counts[i])


def quantile_by_shares(q, bounds, counts):
    if not counts.any():
        return np.nan
    low, before = 0.0, 0.0
    for bound, share in zip(bounds, counts / counts.sum(), strict=False):
        if before + share >= q - 1e-12:
            return low + (bound - low) * (q - before) / share
        low, before = bound, before + share
    return bounds[-1]


def index_by_two_divergences(expected, actual):
    e, a = ((side + 0.5) / (side.sum() + len(side) / 2) for side in (expected, actual))
    return scipy.special.rel_entr(a, e).sum() + scipy.special.rel_entr(e, a).sum()


def temperature_by_logsumexp(logits, labels, temperatures):
    def loss(t):
        own = logits[range(len(labels)), labels]
        return np.mean(scipy.special.logsumexp(logits / t, axis=1) - own / t)

    best = sorted(temperatures, key=loss)[0]
    return [best, scipy.special.softmax(logits / best, axis=1)]


def batches_by_sorting(lengths, buckets, batch_size):
    which = [bisect.bisect_left(buckets, length) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda i: (which[i], i))
    groups = []
    for _, members in itertools.groupby(order, key=which.__getitem__):
        members = list(members)
        groups += [members[i : i + batch_size] for i in range(0, len(members), batch_size)]
    return groups


def error_by_digitize(probabilities, labels, bins):
    sure = probabilities.max(-1)
    bin_of = np.digitize(sure, np.linspace(0, 1, bins + 1), right=True)
    total = 0.0
    for b in range(1, bins + 1):
        if (here := bin_of == b).any():
            right = np.argmax(probabilities[here], -1) == labels[here]
            total += here.mean() * abs(right.mean() - sure[here].mean())
    return total


def cost_of_seconds(price_per_hour, requests_per_second, utilisation):
    return 1000 / (requests_per_second * utilisation) * (price_per_hour / 3600)


def fleet_by_sorting(samples, percentile):
    ordered = sorted(itertools.chain.from_iterable(sample.tolist() for sample in samples))
    place = (len(ordered) - 1) * percentile / 100
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def firing_by_counting(values, threshold, windows):
    upto = np.concatenate([np.zeros(windows), np.cumsum(values > threshold)])
    return upto[windows:] - upto[:-windows] == windows


RIGHT = {
    "quantization.scale_and_zero_point": [zero_point_from_the_upper_end],
    "quantization.quantize": [quantized_in_float32],
    "quantization.channel_scales": [scales_of_columns],
    "quantization.pack_int4": [packed_by_modulo],
    "quantization.unpack_int4": [unpacked_by_arithmetic_shift],
    "quantization.sqnr": [decibels_by_norms],
    "quantization.percentile_range": [quantiles],
    "quantization.straight_through_gradient": [gradient_by_clipping],
    "deployment.histogram_quantile": [quantile_by_bisection, quantile_by_shares],
    "deployment.population_stability_index": [index_by_two_divergences],
    "deployment.temperature_scaling": [temperature_by_logsumexp],
    "deployment.micro_batches": [batches_by_sorting],
    "deployment.expected_calibration_error": [error_by_digitize],
    "deployment.cost_per_thousand": [cost_of_seconds],
    "deployment.fleet_percentile": [fleet_by_sorting],
    "deployment.firing": [firing_by_counting],
}


@pytest.mark.parametrize("seed", SEEDS)
@by_question(RIGHT)
def test_right_answers_of_other_kinds_pass(question_id, answer, seed):
    assert verdict(question_id, answer, seed).message == ""


def quantile_by_interp(q, bounds, counts):
    if counts.sum() == 0:
        return np.nan
    return np.interp(q * counts.sum(), np.cumsum([0, *counts[:-1]]), [0, *bounds])


def temperature_by_log_of_softmax(logits, labels, temperatures, tiny=0.0):
    def loss(t):
        return -np.mean(np.log(scipy.special.softmax(logits / t, axis=1)[range(len(labels)), labels] + tiny))

    with np.errstate(divide="ignore"):
        best = min(temperatures, key=loss)
    return best, scipy.special.softmax(logits / best, axis=1)


def temperature_with_a_tiny_number(logits, labels, temperatures):
    return temperature_by_log_of_softmax(logits, labels, temperatures, 1e-12)


def codes_in_int64(x, scale, zero_point):
    return quantized_in_float32(x, scale, zero_point).astype("int64")


WRONG = {
    "deployment.histogram_quantile": [quantile_by_interp],
    "deployment.temperature_scaling": [temperature_by_log_of_softmax, temperature_with_a_tiny_number],
    "quantization.quantize": [codes_in_int64],
}


@pytest.mark.parametrize("seed", SEEDS)
@by_question(WRONG)
def test_what_once_passed_is_recognised(question_id, answer, seed):
    names = [mistake.name for mistake in verdict(question_id, answer, seed).mistakes]
    assert names == [
        {
            "deployment.histogram_quantile": "past_empty_buckets",
            "deployment.temperature_scaling": "log_of_zero",
            "quantization.quantize": "not_int8",
        }[question_id]
    ]


@pytest.mark.parametrize(
    ("lead", "labels", "temperatures", "best"),
    [
        (5000.0, [0, 0, 1], [1.0, 3.0, 2.0], 3.0),  # Losses 5000 / 3 / T.
        (900.0, [0, 0, 1], [0.5, 1.0, 0.25], 1.0),
        (5000.0, [1, 1, 1], [1.0, 0.5, 4.0], 4.0),
    ],
)
def test_the_best_temperature_is_found_where_probabilities_are_0(lead, labels, temperatures, best):
    asked = questions.get("deployment.temperature_scaling")
    logits = np.array([[lead, 0.0]] * 3)
    found, probabilities = asked.reference(logits, np.array(labels), np.array(temperatures))
    assert found == best
    assert probabilities.tolist() == [[1.0, 0.0]] * 3
