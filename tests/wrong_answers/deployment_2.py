# %% deployment.histogram_quantile
# mistake: first bucket whose cumulative count is above the rank (strictly), so a rank on a boundary goes past empty buckets
def histogram_quantile(q, bounds, counts):
    total = counts.sum()
    if total == 0:
        return np.nan
    rank = q * total
    before, lower = 0, 0.0
    for bound, count in zip(bounds, counts):
        if before + count > rank:
            return lower + (bound - lower) * (rank - before) / count
        before += count
        lower = bound
    return bounds[-1]

# %% deployment.histogram_quantile
# mistake: returns the upper bound of the bucket, without going into it
def histogram_quantile(q, bounds, counts):
    total = np.sum(counts)
    if total == 0:
        return np.nan
    cumulative = np.cumsum(counts)
    i = np.searchsorted(cumulative, q * total)
    if i >= len(bounds):
        return bounds[-1]
    return bounds[i]

# %% deployment.histogram_quantile
# mistake: the total leaves out the open bucket
def histogram_quantile(q, bounds, counts):
    if np.sum(counts) == 0:
        return np.nan
    cumulative = np.cumsum(counts[:-1])
    rank = q * cumulative[-1]
    i = int(np.argmax(cumulative >= rank))
    lower = bounds[i - 1] if i > 0 else 0.0
    before = cumulative[i - 1] if i > 0 else 0
    if counts[i] == 0:
        return bounds[-1]
    return lower + (bounds[i] - lower) * (rank - before) / counts[i]

# %% deployment.population_stability_index
# mistake: adds 0.5 but divides by the totals of the counts without it, so the shares do not add up to 1
def population_stability_index(expected, actual):
    e = (expected + 0.5) / expected.sum()
    a = (actual + 0.5) / actual.sum()
    return np.sum((a - e) * np.log(a / e))

# %% deployment.population_stability_index
# mistake: adds 0.5 only to the empty bins
def population_stability_index(expected, actual):
    e = np.where(expected == 0, 0.5, expected)
    a = np.where(actual == 0, 0.5, actual)
    e = e / e.sum()
    a = a / a.sum()
    return np.sum((a - e) * np.log(a / e))

# %% deployment.population_stability_index
# mistake: Kullback-Leibler divergence: weights the logarithm by a and not by a - e
def population_stability_index(expected, actual):
    e = (expected + 0.5) / np.sum(expected + 0.5)
    a = (actual + 0.5) / np.sum(actual + 0.5)
    return float(np.sum(a * np.log(a / e)))

# %% deployment.temperature_scaling
# mistake: takes the logarithm of the softmax, which is -inf where the probability is 0
def temperature_scaling(logits, labels, temperatures):
    best, best_loss, best_probabilities = None, np.inf, None
    for t in temperatures:
        z = logits / t
        z = z - z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p = p / p.sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(p[np.arange(len(labels)), labels] + 1e-12))
        if loss < best_loss:
            best, best_loss, best_probabilities = t, loss, p
    return best, best_probabilities

# %% deployment.temperature_scaling
# mistake: multiplies the logits by the temperature
def temperature_scaling(logits, labels, temperatures):
    losses, all_probabilities = [], []
    for t in temperatures:
        z = logits * t
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        losses.append(-log_p[np.arange(len(labels)), labels].mean())
        all_probabilities.append(np.exp(log_p))
    i = int(np.argmin(losses))
    return temperatures[i], all_probabilities[i]

# %% deployment.temperature_scaling
# mistake: returns the probabilities at temperature 1, not at the best temperature
def temperature_scaling(logits, labels, temperatures):
    def log_softmax(z):
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    rows = np.arange(len(labels))
    losses = [-np.mean(log_softmax(logits / t)[rows, labels]) for t in temperatures]
    best = temperatures[int(np.argmin(losses))]
    return best, np.exp(log_softmax(logits))

# %% deployment.micro_batches
# mistake: a text of exactly a bucket's length goes to the next one
def micro_batches(lengths, buckets, batch_size):
    groups = []
    lower = 0
    for bucket in buckets:
        members = [i for i, n in enumerate(lengths) if lower <= n < bucket]
        if bucket == buckets[-1]:
            members = [i for i, n in enumerate(lengths) if n >= lower]
        for start in range(0, len(members), batch_size):
            groups.append(members[start : start + batch_size])
        lower = bucket
    return groups

# %% deployment.micro_batches
# mistake: the last group that is not full is lost
def micro_batches(lengths, buckets, batch_size):
    waiting = {bucket: [] for bucket in buckets}
    groups = {bucket: [] for bucket in buckets}
    for i, length in enumerate(lengths):
        bucket = next(b for b in buckets if length <= b)
        waiting[bucket].append(i)
        if len(waiting[bucket]) == batch_size:
            groups[bucket].append(waiting[bucket])
            waiting[bucket] = []
    return [group for bucket in buckets for group in groups[bucket]]

# %% deployment.micro_batches
# mistake: full groups come first, in the order in which they fill up; the rest at the end
def micro_batches(lengths, buckets, batch_size):
    waiting = {bucket: [] for bucket in buckets}
    groups = []
    for i, length in enumerate(lengths):
        for bucket in buckets:
            if length <= bucket:
                break
        waiting[bucket].append(i)
        if len(waiting[bucket]) == batch_size:
            groups.append(waiting[bucket])
            waiting[bucket] = []
    for bucket in buckets:
        if waiting[bucket]:
            groups.append(waiting[bucket])
    return groups

# %% deployment.expected_calibration_error
# mistake: bins hold their lower bound and not their upper one (floor)
def expected_calibration_error(probabilities, labels, bins):
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            error += inside.sum() * gap
    return error / len(labels)

# %% deployment.expected_calibration_error
# mistake: the plain mean of the gaps, not weighted by the number of texts
def expected_calibration_error(probabilities, labels, bins):
    confidence = np.max(probabilities, axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    gaps = []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gaps.append(abs(confidence[inside].mean() - right[inside].mean()))
    return np.mean(gaps)

# %% deployment.expected_calibration_error
# mistake: signed gaps, so that too sure and not sure enough cancel
def expected_calibration_error(probabilities, labels, bins):
    confidence = np.max(probabilities, axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.sum() > 0:
            total += inside.mean() * (confidence[inside].mean() - right[inside].mean())
    return abs(total)

# %% deployment.cost_per_thousand
# mistake: forgets the utilisation's effect by multiplying the price by it (an idle machine would be cheap)
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    per_hour = requests_per_second * 3600
    return price_per_hour * utilisation / per_hour * 1000

# %% deployment.cost_per_thousand
# mistake: an hour taken as 60 seconds
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    per_hour = requests_per_second * 60 * utilisation
    return 1000 * price_per_hour / per_hour

# %% deployment.cost_per_thousand
# mistake: the cost of one answer, not of a thousand
def cost_per_thousand(price_per_hour, requests_per_second, utilisation):
    answers = requests_per_second * utilisation * 3600
    return price_per_hour / answers

# %% deployment.fleet_percentile
# mistake: the mean of the machines' percentiles
def fleet_percentile(samples, percentile):
    return np.mean([np.percentile(s, percentile) for s in samples])

# %% deployment.fleet_percentile
# mistake: the machines' percentiles averaged with the numbers of requests as weights
def fleet_percentile(samples, percentile):
    values = [np.percentile(s, percentile) for s in samples]
    return np.average(values, weights=[len(s) for s in samples])

# %% deployment.fleet_percentile
# mistake: takes the largest of the machines' percentiles
def fleet_percentile(samples, percentile):
    return max(np.percentile(s, percentile) for s in samples)

# %% deployment.firing
# mistake: greater or equal instead of above
def firing(values, threshold, windows):
    above = values >= threshold
    on = np.zeros(len(values), dtype=bool)
    for i in range(windows - 1, len(values)):
        on[i] = above[i - windows + 1 : i + 1].all()
    return on

# %% deployment.firing
# mistake: looks at the windows before only as far as there are any, so the alert is on too early at the start
def firing(values, threshold, windows):
    on = []
    for i in range(len(values)):
        recent = values[max(0, i - windows + 1) : i + 1]
        on.append(bool(np.all(recent > threshold)))
    return np.array(on)

# %% deployment.firing
# mistake: one window too many is needed (run > windows)
def firing(values, threshold, windows):
    on = np.zeros(len(values), dtype=bool)
    run = 0
    for i, value in enumerate(values):
        run = run + 1 if value > threshold else 0
        on[i] = run > windows
    return on
