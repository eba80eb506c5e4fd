# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% privacy.membership_auc
# mistake: twice the AUC less 1
def membership_auc(members, others):
    d = np.sign(members[:, None] - others[None, :])
    return d.mean()


# %% privacy.membership_auc
# mistake: accuracy at the median of all scores
def membership_auc(members, others):
    t = np.median(np.concatenate([members, others]))
    return (np.mean(members > t) + np.mean(others <= t)) / 2


# %% privacy.membership_auc
# mistake: zip
def membership_auc(members, others):
    pairs = list(zip(members, others))
    return sum((m > o) + 0.5 * (m == o) for m, o in pairs) / len(pairs)


# %% privacy.membership_auc
# mistake: trapezoids over thresholds without the corner
def membership_auc(members, others):
    t = np.sort(np.concatenate([members, others]))[::-1]
    fpr = [np.mean(others >= x) for x in t]
    tpr = [np.mean(members >= x) for x in t]
    return np.trapezoid(tpr, fpr)


# %% privacy.true_positives
# mistake: precision
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    s = np.sort(others)[::-1]
    t = s[k] if k < len(s) else -np.inf
    found, wrong = np.sum(members > t), np.sum(others > t)
    return found / max(found + wrong, 1)


# %% privacy.true_positives
# mistake: threshold from the members
def true_positives(members, others, false_positives):
    t = np.quantile(members, 1 - false_positives)
    return np.mean(members > t)


# %% privacy.true_positives
# mistake: returns the false positives
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    s = np.sort(others)[::-1]
    t = s[k] if k < len(s) else -np.inf
    return np.mean(others > t)


# %% privacy.true_positives
# mistake: a count of members
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    s = np.sort(others)[::-1]
    t = s[k] if k < len(s) else -np.inf
    return np.sum(members > t)


# %% privacy.true_positives
# mistake: round instead of the whole part
def true_positives(members, others, false_positives):
    k = round(false_positives * len(others))
    s = np.sort(others)[::-1]
    t = s[k] if k < len(s) else -np.inf
    return np.mean(members > t)


# %% privacy.words_used
# mistake: only rows that rise
def words_used(before, after, words, special):
    return [w for w, b, a in zip(words, before, after) if (a > b).any() and w not in special]


# %% privacy.words_used
# mistake: the words that stayed
def words_used(before, after, words, special):
    return [w for w, b, a in zip(words, before, after) if (a == b).all() and w not in special]


# %% privacy.words_used
# mistake: row numbers
def words_used(before, after, words, special):
    return [i for i, w in enumerate(words) if (before[i] != after[i]).any() and w not in special]


# %% privacy.words_used
# mistake: the three first rows left out
def words_used(before, after, words, special):
    return [words[i] for i in range(3, len(words)) if (before[i] != after[i]).any()]


# %% privacy.private_gradient
# mistake: L1 norm
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.abs(gradients).sum(axis=1, keepdims=True)
    clipped = gradients * np.minimum(1, clip / np.maximum(norms, 1e-12))
    return (clipped.sum(axis=0) + noise * clip * draw) / expected


# %% privacy.private_gradient
# mistake: no noise
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = gradients * np.minimum(1, clip / np.maximum(norms, 1e-12))
    return clipped.sum(axis=0) / expected


# %% privacy.private_gradient
# mistake: NaN for a gradient of zeros
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = gradients / norms * np.minimum(norms, clip)
    return (clipped.sum(axis=0) + noise * clip * draw) / expected


# %% privacy.private_gradient
# mistake: norm without an axis in a loop over columns: clips columns
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=0)
    clipped = gradients * np.minimum(1, clip / np.maximum(norms, 1e-12))
    return (clipped.sum(axis=0) + noise * clip * draw) / expected


# %% privacy.private_gradient
# mistake: multiplies by clip / norm where it should divide, norm / clip
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = np.where(norms > clip, gradients * norms / clip, gradients)
    return (clipped.sum(axis=0) + noise * clip * draw) / expected


# %% privacy.noise_for
# mistake: noise linear in the steps
def noise_for(epsilon, delta, steps):
    L = math.log(1 / delta)
    rho = (math.sqrt(L + epsilon) - math.sqrt(L)) ** 2
    return steps / math.sqrt(2 * rho)


# %% privacy.noise_for
# mistake: the other root
def noise_for(epsilon, delta, steps):
    L = math.log(1 / delta)
    rho = (math.sqrt(L + epsilon) + math.sqrt(L)) ** 2
    return math.sqrt(steps / (2 * rho))


# %% privacy.noise_for
# mistake: returns rho
def noise_for(epsilon, delta, steps):
    L = math.log(1 / delta)
    return (math.sqrt(L + epsilon) - math.sqrt(L)) ** 2


# %% privacy.noise_for
# mistake: rho of a step is 1 / (2 noise), without the square
def noise_for(epsilon, delta, steps):
    L = math.log(1 / delta)
    rho = (math.sqrt(L + epsilon) - math.sqrt(L)) ** 2
    return steps / 2 / rho


# %% privacy.noise_for
# mistake: a coarse search
def noise_for(epsilon, delta, steps):
    for noise in np.arange(0.1, 1000, 0.1):
        rho = steps / (2 * noise**2)
        if rho + 2 * math.sqrt(rho * math.log(1 / delta)) <= epsilon:
            return noise


# %% privacy.federated_average
# mistake: a lost client counts as unchanged
def federated_average(start, updates, sizes):
    total = np.zeros(len(start))
    for u, s in zip(updates, sizes):
        total += s * (u if np.isfinite(u).all() else start)
    return total / sizes.sum()


# %% privacy.federated_average
# mistake: nanmean with weights, entry by entry
def federated_average(start, updates, sizes):
    ok = np.isfinite(updates)
    w = sizes[:, None] * ok
    total = np.where(ok, updates, 0) * w
    with np.errstate(all="ignore"):
        mean = total.sum(axis=0) / w.sum(axis=0)
    return np.where(w.sum(axis=0) > 0, mean, start)


# %% privacy.federated_average
# mistake: zeros for an empty round
def federated_average(start, updates, sizes):
    total, n = np.zeros(len(start)), 0
    for u, s in zip(updates, sizes):
        if np.all(np.isfinite(u)):
            total += s * u
            n += s
    return total / max(n, 1)


# %% privacy.federated_average
# mistake: weighted by size, divided by the number of clients
def federated_average(start, updates, sizes):
    ok = np.isfinite(updates).all(axis=1)
    if not ok.any():
        return start
    return (sizes[ok][:, None] * updates[ok]).sum(axis=0) / ok.sum()


# %% privacy.pairwise_masks
# mistake: a single client's total is not signed and sums over the wrong axis
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % 2**32
    total = sent.sum(axis=1) % 2**32
    return sent, np.where(total >= 2**31, total - 2**32, total)


# %% privacy.pairwise_masks
# mistake: remainders by 2**31
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % 2**31
    total = sent.sum(axis=0) % 2**31
    return sent, np.where(total >= 2**30, total - 2**31, total)


# %% privacy.pairwise_masks
# mistake: exchanged
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % 2**32
    total = sent.sum(axis=0) % 2**32
    return np.where(total >= 2**31, total - 2**32, total), sent


# %% privacy.pairwise_masks
# mistake: np.abs for negative remainders
def pairwise_masks(values, masks):
    sent = np.abs(np.fmod(values + masks.sum(axis=1) - masks.sum(axis=0), 2**32))
    return sent, values.sum(axis=0)
