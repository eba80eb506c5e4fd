# %% deployment.histogram_quantile
# mistake: takes bounds[i - 1] as the lower end also for the first bucket, which is the last bound there instead of 0
def histogram_quantile(q, bounds, counts):
    total = counts.sum()
    if total == 0:
        return np.nan
    rank = q * total
    cumulative = np.cumsum(counts)
    i = int(np.searchsorted(cumulative, rank))
    if i == len(bounds):
        return bounds[-1]
    before = cumulative[i] - counts[i]
    lower = bounds[i - 1]
    return lower + (bounds[i] - lower) * (rank - before) / counts[i]


# %% deployment.histogram_quantile
# mistake: a rank in the open bucket is not handled, bounds[i] raises an IndexError
def histogram_quantile(q, bounds, counts):
    if np.sum(counts) == 0:
        return np.nan
    rank = q * np.sum(counts)
    edges = [0.0] + list(bounds)
    seen = 0
    for i, count in enumerate(counts):
        if seen + count >= rank and count > 0:
            return edges[i] + (bounds[i] - edges[i]) * (rank - seen) / count
        seen += count


# %% deployment.histogram_quantile
# mistake: takes the counts as if they were cumulative already
def histogram_quantile(q, bounds, counts):
    total = counts[-1]
    if total == 0:
        return np.nan
    rank = q * total
    lower, before = 0.0, 0
    for upper, cumulative in zip(bounds, counts):
        if cumulative >= rank:
            return lower + (upper - lower) * (rank - before) / (cumulative - before)
        lower, before = upper, cumulative
    return bounds[-1]


# %% deployment.histogram_quantile
# mistake: two: the total leaves out the open bucket, and the rank is cut to a whole number
def histogram_quantile(q, bounds, counts):
    inside = counts[:-1]
    total = int(inside.sum())
    if total == 0:
        return np.nan
    rank = int(q * total)
    edges = np.concatenate([[0.0], bounds])
    cumulative = np.concatenate([[0], np.cumsum(inside)])
    for i in range(len(bounds)):
        if cumulative[i + 1] >= rank and inside[i] > 0:
            share = (rank - cumulative[i]) / inside[i]
            return edges[i] + share * (edges[i + 1] - edges[i])
    return bounds[-1]


# %% deployment.population_stability_index
# mistake: adds the half only to bins that are empty
def population_stability_index(expected, actual):
    e = np.where(expected == 0, 0.5, expected)
    a = np.where(actual == 0, 0.5, actual)
    e = e / e.sum()
    a = a / a.sum()
    return np.sum((a - e) * np.log(a / e))


# %% deployment.population_stability_index
# mistake: adds the half in place to an integer array, which raises a casting error (UFuncTypeError)
def population_stability_index(expected, actual):
    expected += 0.5
    actual += 0.5
    e = expected / expected.sum()
    a = actual / actual.sum()
    return ((a - e) * np.log(a / e)).sum()


# %% deployment.population_stability_index
# mistake: divides by the totals from before the halves were added, the shares add up to more than 1
def population_stability_index(expected, actual):
    total_e, total_a = sum(expected), sum(actual)
    psi = 0.0
    for n_e, n_a in zip(expected, actual):
        e = (n_e + 0.5) / total_e
        a = (n_a + 0.5) / total_a
        psi += (a - e) * np.log(a / e)
    return psi


# %% deployment.population_stability_index
# mistake: is the Kullback-Leibler divergence, a instead of a - e before the logarithm
def population_stability_index(expected, actual):
    e = (expected + 0.5) / np.sum(expected + 0.5)
    a = (actual + 0.5) / np.sum(actual + 0.5)
    return np.dot(a, np.log(a) - np.log(e))


# %% deployment.temperature_scaling
# mistake: takes the logarithm of the softmax; far-off labels have probability 0, every such temperature costs infinity
def temperature_scaling(logits, labels, temperatures):
    def softmax(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    losses = []
    for t in temperatures:
        p = softmax(logits / t)
        losses.append(-np.mean(np.log(p[np.arange(len(labels)), labels])))
    best = temperatures[int(np.argmin(losses))]
    return best, softmax(logits / best)


# %% deployment.temperature_scaling
# mistake: returns the probabilities of the last candidate of the loop, not of the best
def temperature_scaling(logits, labels, temperatures):
    best_temperature, best_loss = None, np.inf
    rows = np.arange(len(labels))
    for temperature in temperatures:
        z = logits / temperature
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        loss = -log_p[rows, labels].mean()
        if loss < best_loss:
            best_loss = loss
            best_temperature = temperature
    return best_temperature, np.exp(log_p)


# %% deployment.temperature_scaling
# mistake: uses the largest probability of each text instead of that of its label, so the coldest candidate always wins
def temperature_scaling(logits, labels, temperatures):
    z = logits[None] / temperatures[:, None, None]
    z = z - z.max(axis=-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    losses = -log_p.max(axis=-1).mean(axis=1)
    best = np.argmin(losses)
    return temperatures[best], np.exp(log_p[best])


# %% deployment.temperature_scaling
# mistake: two: multiplies the logits by the temperature, and the softmax overflows for large logits (no maximum taken off)
def temperature_scaling(logits, labels, temperatures):
    best, best_loss, best_p = temperatures[0], float("inf"), None
    for T in temperatures:
        e = np.exp(logits * T)
        p = e / np.sum(e, axis=1, keepdims=True)
        loss = 0.0
        for i in range(len(labels)):
            loss -= np.log(p[i, labels[i]])
        loss /= len(labels)
        if best_p is None or loss < best_loss:
            best, best_loss, best_p = T, loss, p
    return best, best_p


# %% deployment.micro_batches
# mistake: side="right" puts a text of exactly 32 tokens in the next bucket; one of the largest length raises an IndexError
def micro_batches(lengths, buckets, batch_size):
    members = [[] for _ in buckets]
    for index, length in enumerate(lengths):
        members[np.searchsorted(buckets, length, side="right")].append(index)
    groups = []
    for texts in members:
        for start in range(0, len(texts), batch_size):
            groups.append(texts[start : start + batch_size])
    return groups


# %% deployment.micro_batches
# mistake: the range goes one too far, so empty groups appear (empty bucket, or a bucket that fills its groups exactly)
def micro_batches(lengths, buckets, batch_size):
    groups = []
    lower = 0
    for bucket in buckets:
        texts = [i for i, n in enumerate(lengths) if lower < n <= bucket]
        for k in range(len(texts) // batch_size + 1):
            groups.append(texts[k * batch_size : (k + 1) * batch_size])
        lower = bucket
    return groups


# %% deployment.micro_batches
# mistake: gives groups out as soon as they are full, so they are not in the order of the buckets
def micro_batches(lengths, buckets, batch_size):
    waiting = {bucket: [] for bucket in buckets}
    groups = []
    for i, length in enumerate(lengths):
        bucket = next(b for b in buckets if length <= b)
        waiting[bucket].append(i)
        if len(waiting[bucket]) == batch_size:
            groups.append(waiting[bucket])
            waiting[bucket] = []
    for bucket in buckets:
        if waiting[bucket]:
            groups.append(waiting[bucket])
    return groups


# %% deployment.micro_batches
# mistake: sorts the texts by length inside a bucket, the order of arrival is lost
def micro_batches(lengths, buckets, batch_size):
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    groups = []
    for b, bucket in enumerate(buckets):
        previous = buckets[b - 1] if b > 0 else 0
        texts = [i for i in order if previous < lengths[i] <= bucket]
        while texts:
            groups.append(texts[:batch_size])
            texts = texts[batch_size:]
    return groups


# %% deployment.expected_calibration_error
# mistake: a bin holds its lower bound and not its upper one; a confidence of exactly 1 falls out of all bins
def expected_calibration_error(probabilities, labels, bins):
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            gap = abs(confidence[inside].mean() - correct[inside].mean())
            error += inside.sum() / len(labels) * gap
    return error


# %% deployment.expected_calibration_error
# mistake: the plain mean over the bins with texts, not weighted by their numbers
def expected_calibration_error(probabilities, labels, bins):
    confidence = np.max(probabilities, axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    index = np.ceil(confidence * bins).astype(int) - 1
    gaps = []
    for b in np.unique(index):
        here = index == b
        gaps.append(np.abs(np.mean(confidence[here]) - np.mean(right[here])))
    return np.mean(gaps)


# %% deployment.expected_calibration_error
# mistake: an empty bin's mean is nan, and nan times 0 makes the whole sum nan
def expected_calibration_error(probabilities, labels, bins):
    confidence = probabilities.max(axis=-1)
    hits = (probabilities.argmax(axis=-1) == labels).astype(float)
    result = 0.0
    for b in range(bins):
        mask = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        gap = np.abs(confidence[mask].mean() - hits[mask].mean())
        result += mask.mean() * gap
    return result


# %% deployment.expected_calibration_error
# mistake: two: uses the middle of the bin instead of the mean confidence, and gaps of different sign cancel (no absolute value)
def expected_calibration_error(probabilities, labels, bins):
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    index = np.ceil(confidence * bins).astype(int) - 1
    counts = np.bincount(index, minlength=bins)
    hits = np.bincount(index, weights=right, minlength=bins)
    middles = (np.arange(bins) + 0.5) / bins
    return np.sum(counts * middles - hits) / len(labels)


# %% deployment.cost_per_thousand
# mistake: forgets the utilisation
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    requests_per_hour = requests_per_second * 3600
    return price_per_hour / requests_per_hour * 1000


# %% deployment.cost_per_thousand
# mistake: multiplies the cost by the utilisation instead of dividing by it, an idle machine gets cheaper
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    price_per_second = price_per_hour / 3600
    cost = price_per_second / requests_per_second
    return 1000 * cost * utilisation


# %% deployment.cost_per_thousand
# mistake: the cost of a single answer, not of a thousand
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    answers = requests_per_second * utilisation * 60 * 60
    return price_per_hour / answers


# %% deployment.cost_per_thousand
# mistake: an hour is taken as 60 seconds
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    seconds_for_thousand = 1000 / (requests_per_second * utilisation)
    hours = seconds_for_thousand / 60
    return price_per_hour * hours


# %% deployment.fleet_percentile
# mistake: the mean of the machines' percentiles
def fleet_percentile(samples, percentile):
    return np.mean([np.percentile(s, percentile) for s in samples])


# %% deployment.fleet_percentile
# mistake: gives the list of arrays to NumPy as it is; arrays of different sizes raise a ValueError
def fleet_percentile(samples, percentile):
    return np.percentile(samples, percentile)


# %% deployment.fleet_percentile
# mistake: weights the machines' percentiles by their numbers of requests, which is still not the percentile of all
def fleet_percentile(samples, percentile):
    sizes = np.array([len(s) for s in samples])
    values = np.array([np.percentile(s, percentile) for s in samples])
    return np.sum(sizes * values) / np.sum(sizes)


# %% deployment.fleet_percentile
# mistake: picks one of the sorted latencies by a whole index and does not interpolate
def fleet_percentile(samples, percentile):
    everything = []
    for machine in samples:
        everything.extend(machine)
    everything.sort()
    return everything[int((len(everything) - 1) * percentile / 100)]


# %% deployment.firing
# mistake: a value equal to the threshold counts as above it
def firing(values, threshold, windows):
    result = np.zeros(len(values), dtype=bool)
    streak = 0
    for i, value in enumerate(values):
        if value >= threshold:
            streak += 1
        else:
            streak = 0
        result[i] = streak >= windows
    return result


# %% deployment.firing
# mistake: starts one window too late (streak > windows)
def firing(values, threshold, windows):
    on = []
    in_a_row = 0
    for value in values:
        in_a_row = in_a_row + 1 if value > threshold else 0
        on.append(in_a_row > windows)
    return np.array(on, dtype=bool)


# %% deployment.firing
# mistake: fewer values than windows are not thought of, sliding_window_view raises a ValueError
def firing(values, threshold, windows):
    above = values > threshold
    view = np.lib.stride_tricks.sliding_window_view(above, windows)
    start = np.zeros(windows - 1, dtype=bool)
    return np.concatenate([start, view.all(axis=1)])


# %% deployment.firing
# mistake: two: in the first windows it looks only at the values there are and fires too early, and >= instead of >
def firing(values, threshold, windows):
    alerts = []
    for i in range(len(values)):
        recent = values[max(0, i - windows + 1) : i + 1]
        alerts.append(bool(np.all(recent >= threshold)))
    return np.array(alerts)
