# %% fine_tuning.cross_entropy
# mistake: adds a small number to the probability before the log, so sure and wrong costs about 16 instead of 1000
def cross_entropy(labels, logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    p = np.take_along_axis(p, labels[..., None], axis=-1)[..., 0]
    return -np.log(p + 1e-7)

# %% fine_tuning.cross_entropy
# mistake: mixes shifted and unshifted logits: the log-sum-exp lacks the maximum
def cross_entropy(labels, logits):
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=-1))
    right = np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return log_sum - right

# %% fine_tuning.cross_entropy
# mistake: subtracts the maximum of the whole array, not of each row
def cross_entropy(labels, logits):
    shifted = logits - logits.max()
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_p, labels[..., np.newaxis], axis=-1).squeeze(-1)

# %% fine_tuning.adamw_step
# mistake: returns the bias-corrected means instead of the running ones
def adamw_step(value, gradient, first, second, step, learning_rate, weight_decay):
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    c1, c2 = 1 - 0.9**step, 1 - 0.999**step
    rate = learning_rate * np.sqrt(c2) / c1
    value = (1 - learning_rate * weight_decay) * value - rate * first / (np.sqrt(second) + 1e-7)
    return value, first / c1, second / c2

# %% fine_tuning.adamw_step
# mistake: the decay shrinks the weight after the step, so the step is shrunk, too
def adamw_step(value, gradient, first, second, step, learning_rate, weight_decay):
    m = 0.9 * first + 0.1 * gradient
    v = 0.999 * second + 0.001 * gradient**2
    correction = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    value = value - learning_rate * correction * m / (np.sqrt(v) + 1e-7)
    value = value * (1 - learning_rate * weight_decay)
    return value, m, v

# %% fine_tuning.warmup_cosine
# mistake: the progress is step / total_steps, as if there were no warm-up, so the fall does not begin at the peak
def warmup_cosine(step, peak, total_steps, warmup_steps):
    step = np.asarray(step)
    rise = peak * (step + 1) / max(warmup_steps, 1)
    progress = np.minimum(step / total_steps, 1)
    fall = peak * 0.5 * (1 + np.cos(np.pi * progress))
    return np.where(step < warmup_steps, rise, fall)

# %% fine_tuning.warmup_cosine
# mistake: does not stop at total_steps: the cosine rises again
def warmup_cosine(step, peak, total_steps, warmup_steps):
    step = np.asarray(step)
    p = (step - warmup_steps) / (total_steps - warmup_steps)
    cosine = 0.5 * (1 + np.cos(np.pi * p)) * peak
    if warmup_steps == 0:
        return cosine
    return np.where(step < warmup_steps, peak * (step + 1) / warmup_steps, cosine)

# %% fine_tuning.early_stopping
# mistake: compares with the loss of the epoch before, not with the lowest so far
def early_stopping(losses, patience):
    wait, best = 0, 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        if losses[epoch] < losses[epoch - 1]:
            wait = 0
        else:
            wait += 1
            if wait >= patience:
                return epoch, best
    return len(losses) - 1, best

# %% fine_tuning.early_stopping
# mistake: the best epoch is looked for in the whole list, also after the stop
def early_stopping(losses, patience):
    lowest = float("inf")
    wait = 0
    stopped = len(losses) - 1
    for epoch, loss in enumerate(losses):
        if loss < lowest:
            lowest = loss
            wait = 0
        else:
            wait += 1
        if wait == patience:
            stopped = epoch
            break
    return stopped, int(np.argmin(losses))

# %% fine_tuning.early_stopping
# mistake: stops one epoch too late: waits for more than patience epochs
def early_stopping(losses, patience):
    best, wait = 0, 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best] or epoch == 0:
            best, wait = epoch, 0
        else:
            wait += 1
        if wait > patience:
            return epoch, best
    return epoch, best

# %% fine_tuning.macro_f1
# mistake: the mean over the classes that occur in the labels, not over num_classes
def macro_f1(labels, predictions, num_classes):
    scores = []
    for c in np.unique(labels):
        tp = np.sum((labels == c) & (predictions == c))
        fp = np.sum((labels != c) & (predictions == c))
        fn = np.sum((labels == c) & (predictions != c))
        scores.append(2 * tp / (2 * tp + fp + fn))
    return np.mean(scores)

# %% fine_tuning.macro_f1
# mistake: the F1 of the mean precision and the mean recall instead of the mean of the classes' F1
def macro_f1(labels, predictions, num_classes):
    precision, recall = [], []
    for c in range(num_classes):
        tp = np.sum((labels == c) & (predictions == c))
        precision.append(tp / max(1, np.sum(predictions == c)))
        recall.append(tp / max(1, np.sum(labels == c)))
    p, r = np.mean(precision), np.mean(recall)
    return 2 * p * r / (p + r) if p + r > 0 else 0.0

# %% fine_tuning.lora
# mistake: multiplies by alpha without dividing by the rank
def lora(inputs, kernel, a, b, alpha):
    return inputs @ kernel + alpha * (inputs @ a @ b)

# %% fine_tuning.lora
# mistake: takes the first axis of a (the width) for the rank
def lora(inputs, kernel, a, b, alpha):
    rank = a.shape[0]
    return inputs @ kernel + alpha / rank * (inputs @ a) @ b

# %% fine_tuning.lora_parameters
# mistake: adds all axes up instead of multiplying those before the last
def lora_parameters(kernel_shape, rank):
    return rank * sum(kernel_shape)

# %% fine_tuning.lora_parameters
# mistake: cuts after the first axis instead of in front of the last
def lora_parameters(kernel_shape, rank):
    a = kernel_shape[0] * rank
    b = rank * int(np.prod(kernel_shape[1:]))
    return a + b

# %% fine_tuning.head
# mistake: standardises unseen by its own mean and deviation
def train_and_predict(features, labels, unseen):
    def prepare(x):
        return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)

    x, u = prepare(features), prepare(unseen)
    n, classes = len(x), labels.max() + 1
    y = np.eye(classes)[labels]
    kernel, bias = np.zeros((x.shape[1], classes)), np.zeros(classes)
    for _ in range(200):
        z = x @ kernel + bias
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        kernel -= 0.5 * x.T @ (p - y) / n
        bias -= 0.5 * (p - y).sum(axis=0) / n
    return np.argmax(u @ kernel + bias, axis=1)

# %% fine_tuning.head
# mistake: divides by the deviation of a constant column, which is 0, so everything becomes nan
def train_and_predict(features, labels, unseen):
    mean, std = features.mean(axis=0), features.std(axis=0)
    x, u = (features - mean) / std, (unseen - mean) / std
    n, k = x.shape[0], len(np.unique(labels))
    y = np.eye(k)[labels]
    w, c = np.zeros((x.shape[1], k)), np.zeros(k)
    for step in range(100):
        logits = x @ w + c
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        g = (p - y) / n
        w -= 0.5 * x.T @ g
        c -= 0.5 * g.sum(axis=0)
    return (u @ w + c).argmax(axis=1)

