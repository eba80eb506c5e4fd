# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% privacy.membership_auc
# mistake: ties count for nothing
def membership_auc(members, others):
    wins = 0
    for m in members:
        for o in others:
            if m > o:
                wins += 1
    return wins / (len(members) * len(others))


# %% privacy.membership_auc
# mistake: ties count in full
def membership_auc(members, others):
    return np.mean(members[:, None] >= others[None, :])


# %% privacy.membership_auc
# mistake: the other way round
def membership_auc(members, others):
    return np.mean((others[:, None] > members) + 0.5 * (others[:, None] == members))


# %% privacy.membership_auc
# mistake: ranks by argsort, ties by place (members first)
def membership_auc(members, others):
    scores = np.concatenate([members, others])
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    n, m = len(members), len(others)
    return (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)


# %% privacy.membership_auc
# mistake: takes the better side
def membership_auc(members, others):
    a = np.mean((members[:, None] > others) + 0.5 * (members[:, None] == others))
    return max(a, 1 - a)


# %% privacy.membership_auc
# mistake: compares with the mean of the others
def membership_auc(members, others):
    return np.mean(members > np.mean(others))


# %% privacy.membership_auc
# mistake: compares element by element
def membership_auc(members, others):
    return np.mean((members > others) + 0.5 * (members == others))


# %% privacy.membership_auc
# mistake: counts pairs and does not divide
def membership_auc(members, others):
    return sum((m > o) + 0.5 * (m == o) for m in members for o in others)


# %% privacy.true_positives
# mistake: quantile
def true_positives(members, others, false_positives):
    threshold = np.quantile(others, 1 - false_positives)
    return np.mean(members > threshold)


# %% privacy.true_positives
# mistake: interpolates the curve
def true_positives(members, others, false_positives):
    thresholds = np.sort(np.concatenate([members, others]))[::-1]
    fpr = [0.0] + [np.mean(others >= t) for t in thresholds]
    tpr = [0.0] + [np.mean(members >= t) for t in thresholds]
    return np.interp(false_positives, fpr, tpr)


# %% privacy.true_positives
# mistake: one other too many
def true_positives(members, others, false_positives):
    k = int(np.ceil(false_positives * len(others)))
    s = np.sort(others)[::-1]
    if k >= len(others):
        return 1.0
    return np.mean(members > s[k])


# %% privacy.true_positives
# mistake: the threshold is the last other allowed
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    s = np.sort(others)[::-1]
    if k == 0:
        return np.mean(members > s[0])
    if k == len(others):
        return 1.0
    return np.mean(members > s[k - 1])


# %% privacy.true_positives
# mistake: >= at the threshold
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    s = np.sort(others)[::-1]
    if k >= len(others):
        return 1.0
    return np.mean(members >= s[k])


# %% privacy.true_positives
# mistake: from the low end
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    s = np.sort(others)
    if k >= len(others):
        return 1.0
    return np.mean(members < s[k])


# %% privacy.true_positives
# mistake: index out of range for a share of 1
def true_positives(members, others, false_positives):
    k = int(false_positives * len(others))
    return np.mean(members > np.sort(others)[::-1][k])


# %% privacy.true_positives
# mistake: thresholds at members only, >=, and share of others strictly below
def true_positives(members, others, false_positives):
    best = 0.0
    for t in members:
        if np.mean(others >= t) < false_positives:
            best = max(best, np.mean(members >= t))
    return best


# %% privacy.true_positives
# mistake: thresholds at scores of others only, so members between are lost
def true_positives(members, others, false_positives):
    best = 0.0
    for t in others:
        if np.mean(others >= t) <= false_positives:
            best = max(best, np.mean(members >= t))
    return best


# %% privacy.words_used
# mistake: all entries must change
def words_used(before, after, words, special):
    return [w for w, b, a in zip(words, before, after) if np.all(a != b) and w not in special]


# %% privacy.words_used
# mistake: sum of the difference
def words_used(before, after, words, special):
    change = (after - before).sum(axis=1)
    return [w for w, c in zip(words, change) if c != 0 and w not in special]


# %% privacy.words_used
# mistake: allclose
def words_used(before, after, words, special):
    return [
        w for i, w in enumerate(words) if not np.allclose(before[i], after[i]) and w not in special
    ]


# %% privacy.words_used
# mistake: a threshold
def words_used(before, after, words, special):
    change = np.linalg.norm(after - before, axis=1)
    return [w for w, c in zip(words, change) if c > 1e-6 and w not in special]


# %% privacy.words_used
# mistake: special tokens are in
def words_used(before, after, words, special):
    change = np.abs(after - before).max(axis=1)
    return [words[i] for i in np.nonzero(change)[0]]


# %% privacy.words_used
# mistake: drops whatever is in brackets
def words_used(before, after, words, special):
    change = np.abs(after - before).max(axis=1)
    return [words[i] for i in np.nonzero(change)[0] if words[i][0] != "["]


# %% privacy.words_used
# mistake: sorted by size of the change
def words_used(before, after, words, special):
    change = np.linalg.norm(after - before, axis=1)
    order = np.argsort(-change)
    return [words[i] for i in order if change[i] > 0 and words[i] not in special]


# %% privacy.words_used
# mistake: a set, in no order, made a list
def words_used(before, after, words, special):
    rows = np.nonzero(after - before)[0]
    return [words[i] for i in rows if words[i] not in special]


# %% privacy.private_gradient
# mistake: clips the mean
def private_gradient(gradients, clip, noise, draw, expected):
    g = gradients.sum(axis=0) / expected
    norm = np.linalg.norm(g)
    if norm > clip:
        g = g * clip / norm
    return g + noise * clip * draw / expected


# %% privacy.private_gradient
# mistake: noise without clip
def private_gradient(gradients, clip, noise, draw, expected):
    total = np.zeros(gradients.shape[1])
    for g in gradients:
        total += g * min(1, clip / max(np.linalg.norm(g), 1e-12))
    return (total + noise * draw) / expected


# %% privacy.private_gradient
# mistake: noise after the division
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = gradients / np.maximum(1, norms / clip)
    return clipped.sum(axis=0) / expected + noise * clip * draw


# %% privacy.private_gradient
# mistake: divides by the true number, NaN for none
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = gradients / np.maximum(1, norms / clip)
    return (clipped.sum(axis=0) + noise * clip * draw) / len(gradients)


# %% privacy.private_gradient
# mistake: mean of the clipped ones, plus noise over expected
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = gradients / np.maximum(1, norms / clip)
    return clipped.mean(axis=0) + noise * clip * draw / expected


# %% privacy.private_gradient
# mistake: normalises all to clip
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = clip * gradients / np.maximum(norms, 1e-12)
    return (clipped.sum(axis=0) + noise * clip * draw) / expected


# %% privacy.private_gradient
# mistake: one norm for the whole batch
def private_gradient(gradients, clip, noise, draw, expected):
    norm = np.linalg.norm(gradients)
    clipped = gradients * min(1, clip / max(norm, 1e-12))
    return (clipped.sum(axis=0) + noise * clip * draw) / expected


# %% privacy.private_gradient
# mistake: np.clip
def private_gradient(gradients, clip, noise, draw, expected):
    return (np.clip(gradients, -clip, clip).sum(axis=0) + noise * clip * draw) / expected


# %% privacy.private_gradient
# mistake: variance and standard deviation confused
def private_gradient(gradients, clip, noise, draw, expected):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clipped = gradients * np.minimum(1, clip / np.maximum(norms, 1e-12))
    return (clipped.sum(axis=0) + np.sqrt(noise * clip) * draw) / expected


# %% privacy.private_gradient
# mistake: noise for each example
def private_gradient(gradients, clip, noise, draw, expected):
    total = np.zeros(len(draw))
    for g in gradients:
        norm = np.linalg.norm(g)
        if norm > clip:
            g = g / norm * clip
        total += g + noise * clip * draw
    return total / expected


# %% privacy.noise_for
# mistake: takes the root of rho for rho
def noise_for(epsilon, delta, steps):
    L = np.log(1 / delta)
    rho = -np.sqrt(L) + np.sqrt(L + epsilon)
    return np.sqrt(steps / (2 * rho))


# %% privacy.noise_for
# mistake: the steps are ignored
def noise_for(epsilon, delta, steps):
    L = np.log(1 / delta)
    rho = (np.sqrt(L + epsilon) - np.sqrt(L)) ** 2
    return 1 / np.sqrt(2 * rho)


# %% privacy.noise_for
# mistake: epsilon divided among the steps
def noise_for(epsilon, delta, steps):
    e = epsilon / steps
    L = np.log(1 / delta)
    rho = (np.sqrt(L + e) - np.sqrt(L)) ** 2
    return 1 / np.sqrt(2 * rho)


# %% privacy.noise_for
# mistake: forgets the 2 in rho
def noise_for(epsilon, delta, steps):
    L = np.log(1 / delta)
    x = (-2 * np.sqrt(L) + np.sqrt(4 * L + 4 * epsilon)) / 2
    return np.sqrt(steps / x**2)


# %% privacy.noise_for
# mistake: leaves out rho against its root
def noise_for(epsilon, delta, steps):
    rho = epsilon**2 / (4 * np.log(1 / delta))
    return np.sqrt(steps / (2 * rho))


# %% privacy.noise_for
# mistake: the classical formula
def noise_for(epsilon, delta, steps):
    return np.sqrt(2 * np.log(1.25 / delta)) / epsilon * np.sqrt(steps)


# %% privacy.noise_for
# mistake: log10
def noise_for(epsilon, delta, steps):
    L = np.log10(1 / delta)
    rho = (np.sqrt(L + epsilon) - np.sqrt(L)) ** 2
    return np.sqrt(steps / (2 * rho))


# %% privacy.noise_for
# mistake: the quadratic formula without the 4 before epsilon
def noise_for(epsilon, delta, steps):
    b = 2 * np.sqrt(np.log(1 / delta))
    x = (-b + np.sqrt(b**2 + epsilon)) / 2
    return np.sqrt(steps / (2 * x**2))


# %% privacy.noise_for
# mistake: log of delta instead of 1 / delta: NaN
def noise_for(epsilon, delta, steps):
    L = np.log(delta)
    rho = (np.sqrt(L + epsilon) - np.sqrt(L)) ** 2
    return np.sqrt(steps / (2 * rho))


# %% privacy.noise_for
# mistake: returns the variance
def noise_for(epsilon, delta, steps):
    L = np.log(1 / delta)
    rho = (np.sqrt(L + epsilon) - np.sqrt(L)) ** 2
    return steps / (2 * rho)


# %% privacy.federated_average
# mistake: plain mean of finite rows
def federated_average(start, updates, sizes):
    ok = [u for u in updates if np.all(np.isfinite(u))]
    return np.mean(ok, axis=0) if ok else start


# %% privacy.federated_average
# mistake: divides by all sizes
def federated_average(start, updates, sizes):
    total = np.zeros(len(start))
    used = False
    for u, s in zip(updates, sizes):
        if np.isfinite(u).all():
            total += s * u
            used = True
    return total / sizes.sum() if used else start


# %% privacy.federated_average
# mistake: only NaN is looked for
def federated_average(start, updates, sizes):
    good = ~np.isnan(updates).any(axis=1)
    if not good.any():
        return start
    return np.average(updates[good], axis=0, weights=sizes[good])


# %% privacy.federated_average
# mistake: nothing is dropped
def federated_average(start, updates, sizes):
    return (sizes[:, None] * updates).sum(axis=0) / sizes.sum()


# %% privacy.federated_average
# mistake: NaN and inf become 0
def federated_average(start, updates, sizes):
    u = np.nan_to_num(updates, nan=0.0, posinf=0.0, neginf=0.0)
    return np.average(u, axis=0, weights=sizes)


# %% privacy.federated_average
# mistake: an empty round raises ZeroDivisionError
def federated_average(start, updates, sizes):
    good = np.isfinite(updates).all(axis=1)
    return np.average(updates[good], axis=0, weights=sizes[good])


# %% privacy.federated_average
# mistake: adds the mean to the old weights
def federated_average(start, updates, sizes):
    good = np.isfinite(updates).all(axis=1)
    if not good.any():
        return start
    return start + np.average(updates[good], axis=0, weights=sizes[good])


# %% privacy.federated_average
# mistake: replaces lost entries by the old weights
def federated_average(start, updates, sizes):
    filled = np.where(np.isfinite(updates), updates, start)
    return np.average(filled, axis=0, weights=sizes)


# %% privacy.federated_average
# mistake: any instead of all
def federated_average(start, updates, sizes):
    good = np.isfinite(updates).any(axis=1)
    if not good.any():
        return start
    return np.average(updates[good], axis=0, weights=sizes[good])


# %% privacy.pairwise_masks
# mistake: everyone adds
def pairwise_masks(values, masks):
    n = len(values)
    sent = []
    for i in range(n):
        x = values[i].copy()
        for j in range(n):
            if i != j:
                x = x + masks[min(i, j), max(i, j)]
        sent.append(x % 2**32)
    sent = np.array(sent)
    total = sent.sum(axis=0) % 2**32
    return sent, np.where(total >= 2**31, total - 2**32, total)


# %% privacy.pairwise_masks
# mistake: only the upper half is used
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1)) % 2**32
    total = sent.sum(axis=0) % 2**32
    return sent, np.where(total >= 2**31, total - 2**32, total)


# %% privacy.pairwise_masks
# mistake: no remainders in what is sent
def pairwise_masks(values, masks):
    sent = values + masks.sum(axis=1) - masks.sum(axis=0)
    return sent, sent.sum(axis=0)


# %% privacy.pairwise_masks
# mistake: the total is not made signed
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % 2**32
    return sent, sent.sum(axis=0) % 2**32


# %% privacy.pairwise_masks
# mistake: the total without a remainder
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % 2**32
    return sent, sent.sum(axis=0)


# %% privacy.pairwise_masks
# mistake: higher numbers add
def pairwise_masks(values, masks):
    sent = (values - masks.sum(axis=1) + masks.sum(axis=0)) % 2**32
    return sent, values.sum(axis=0)


# %% privacy.pairwise_masks
# mistake: modulo 2**32 - 1
def pairwise_masks(values, masks):
    big = 2**32 - 1
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % big
    total = sent.sum(axis=0) % big
    return sent, np.where(total > big // 2, total - big, total)


# %% privacy.pairwise_masks
# mistake: signed at 2**32 instead of 2**31, so never
def pairwise_masks(values, masks):
    sent = (values + masks.sum(axis=1) - masks.sum(axis=0)) % 2**32
    total = sent.sum(axis=0) % 2**32
    return sent, np.where(total > 2**32, total - 2**32, total)


# %% privacy.pairwise_masks
# mistake: floats
def pairwise_masks(values, masks):
    sent = np.mod(values + masks.sum(axis=1) - masks.sum(axis=0), 2.0**32)
    total = np.mod(sent.sum(axis=0), 2.0**32)
    return sent, np.where(total >= 2.0**31, total - 2.0**32, total)


# %% privacy.pairwise_masks
# mistake: a ring, each with the next
def pairwise_masks(values, masks):
    n = len(values)
    sent = values.copy()
    for i in range(n - 1):
        sent[i] = sent[i] + masks[i, i + 1]
        sent[i + 1] = sent[i + 1] - masks[i, i + 1]
    sent = sent % 2**32
    total = sent.sum(axis=0) % 2**32
    return sent, np.where(total >= 2**31, total - 2**32, total)
