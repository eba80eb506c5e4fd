# %% fine_tuning.cross_entropy
# mistake: takes the logarithm of the finished softmax, which is 0 (loss infinite) where the model is sure and wrong
def cross_entropy(labels, logits):
    z = logits - logits.max(axis=-1, keepdims=True)
    e = np.exp(z)
    probs = e / e.sum(axis=-1, keepdims=True)
    picked = np.take_along_axis(probs, labels[..., None], axis=-1)
    return -np.log(picked[..., 0])


# %% fine_tuning.cross_entropy
# mistake: clips the probabilities at 1e-7, so that no loss gets above 16 (1000 is asked for)
def cross_entropy(labels, logits):
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    softmax = np.exp(shifted) / np.sum(np.exp(shifted), axis=-1, keepdims=True)
    softmax = np.clip(softmax, 1e-7, 1.0)
    one_hot = np.eye(logits.shape[-1])[labels]
    return -np.sum(one_hot * np.log(softmax), axis=-1)


# %% fine_tuning.cross_entropy
# mistake: picks the labels as if there were only one axis of them; labels of shape (batch, n) raise an IndexError
def cross_entropy(labels, logits):
    m = logits.max(axis=-1, keepdims=True)
    log_sum = m + np.log(np.exp(logits - m).sum(axis=-1, keepdims=True))
    log_probs = logits - log_sum
    return -log_probs[np.arange(len(labels)), labels]


# %% fine_tuning.cross_entropy
# mistake: shifts by the maximum of the whole array instead of each row's, so rows far below it underflow to log(0)
def cross_entropy(labels, logits):
    biggest = np.max(logits)
    log_z = biggest + np.log(np.sum(np.exp(logits - biggest), axis=-1))
    right = np.take_along_axis(logits, np.expand_dims(labels, -1), axis=-1).squeeze(-1)
    return log_z - right


# %% fine_tuning.adamw_step
# mistake: adds the weight decay to the gradient (L2 regularisation as in plain Adam), so it enters the means
def adamw_step(value, gradient, first, second, step, learning_rate, weight_decay):
    gradient = gradient + weight_decay * value
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    rate = learning_rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    value = value - rate * first / (np.sqrt(second) + 1e-7)
    return value, first, second


# %% fine_tuning.adamw_step
# mistake: textbook form, 1e-7 is added to the root of the corrected second mean (matters for tiny gradients)
def adamw_step(value, gradient, first, second, step, learning_rate, weight_decay):
    beta1, beta2, eps = 0.9, 0.999, 1e-7
    first = beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * np.square(gradient)
    m_hat = first / (1 - beta1**step)
    v_hat = second / (1 - beta2**step)
    value = value * (1 - learning_rate * weight_decay)
    value = value - learning_rate * m_hat / (np.sqrt(v_hat) + eps)
    return value, first, second


# %% fine_tuning.adamw_step
# mistake: the decay is not multiplied by the learning rate
def adamw_step(value, gradient, first, second, step, learning_rate, weight_decay):
    m = 0.9 * first + 0.1 * gradient
    v = 0.999 * second + 0.001 * gradient * gradient
    correction = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    update = learning_rate * correction * m / (np.sqrt(v) + 1e-7)
    new_value = (1 - weight_decay) * value - update
    return new_value, m, v


# %% fine_tuning.adamw_step
# mistake: two: returns the bias-corrected means as the new means, and adds 1e-7 to the corrected root
def adamw_step(value, gradient, first, second, step, learning_rate, weight_decay):
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    first = first / (1 - 0.9**step)
    second = second / (1 - 0.999**step)
    value = value - learning_rate * weight_decay * value
    value = value - learning_rate * first / (np.sqrt(second) + 1e-7)
    return value, first, second


# %% fine_tuning.warmup_cosine
# mistake: decides with `if step < ...`, which raises a ValueError for an array of steps
def warmup_cosine(step, peak, total_steps, warmup_steps):
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if step >= total_steps:
        return 0.0
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * peak * (1 + np.cos(np.pi * progress))


# %% fine_tuning.warmup_cosine
# mistake: nothing keeps the rate at 0 after total_steps, the cosine rises again
def warmup_cosine(step, peak, total_steps, warmup_steps):
    step = np.asarray(step, dtype=float)
    rise = peak * (step + 1) / max(warmup_steps, 1)
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    fall = peak * 0.5 * (1 + np.cos(np.pi * progress))
    return np.where(step < warmup_steps, rise, fall)


# %% fine_tuning.warmup_cosine
# mistake: two: the progress is step / total_steps (counts the warm-up too), and the rise starts at 0 (step, not step + 1)
def warmup_cosine(step, peak, total_steps, warmup_steps):
    step = np.array(step)
    progress = np.minimum(step / total_steps, 1.0)
    cosine = peak * (1 + np.cos(np.pi * progress)) / 2
    if warmup_steps == 0:
        return cosine
    return np.where(step < warmup_steps, peak * step / warmup_steps, cosine)


# %% fine_tuning.warmup_cosine
# mistake: zeros_like of integer steps makes an integer array, so the rates are cut to whole numbers
def warmup_cosine(step, peak, total_steps, warmup_steps):
    step = np.asarray(step)
    rates = np.zeros_like(step)
    for index in np.ndindex(step.shape):
        s = step[index]
        if s < warmup_steps:
            rates[index] = peak * (s + 1) / warmup_steps
        elif s < total_steps:
            p = (s - warmup_steps) / (total_steps - warmup_steps)
            rates[index] = peak * (1 + np.cos(np.pi * p)) / 2
    return rates


# %% fine_tuning.early_stopping
# mistake: compares with the loss of the epoch before instead of the lowest so far
def early_stopping(losses, patience):
    wait = 0
    stopped = len(losses) - 1
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[epoch - 1]:
            wait = 0
        else:
            wait += 1
        if wait == patience:
            stopped = epoch
            break
    best = int(np.argmin(losses[: stopped + 1]))
    return stopped, best


# %% fine_tuning.early_stopping
# mistake: stops one epoch too late (wait > patience)
def early_stopping(losses, patience):
    lowest, best, wait = float("inf"), 0, 0
    for epoch, loss in enumerate(losses):
        if loss < lowest:
            lowest, best, wait = loss, epoch, 0
        else:
            wait += 1
            if wait > patience:
                return epoch, best
    return len(losses) - 1, best


# %% fine_tuning.early_stopping
# mistake: takes the lowest loss of the whole list, also of epochs after the stop that are never seen
def early_stopping(losses, patience):
    losses = np.array(losses)
    best = int(np.argmin(losses))
    lowest, wait = losses[0], 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < lowest:
            lowest = losses[epoch]
            wait = 0
        else:
            wait += 1
        if wait >= patience:
            return epoch, best
    return len(losses) - 1, best


# %% fine_tuning.early_stopping
# mistake: two: a loss equal to the lowest counts as an improvement, and the counter is never set back
def early_stopping(losses, patience):
    best = 0
    bad = 0
    for i in range(1, len(losses)):
        if losses[i] <= losses[best]:
            best = i
        else:
            bad += 1
        if bad == patience:
            return i, best
    return len(losses) - 1, best


# %% fine_tuning.macro_f1
# mistake: a class that occurs nowhere gives 0 / 0, and the mean becomes nan
def macro_f1(labels, predictions, num_classes):
    classes = np.arange(num_classes)[:, None]
    is_label = labels == classes
    is_prediction = predictions == classes
    tp = np.sum(is_label & is_prediction, axis=1)
    fp = np.sum(~is_label & is_prediction, axis=1)
    fn = np.sum(is_label & ~is_prediction, axis=1)
    return np.mean(2 * tp / (2 * tp + fp + fn))


# %% fine_tuning.macro_f1
# mistake: the mean is over the classes that occur in the labels only, as if the absent ones did not exist
def macro_f1(labels, predictions, num_classes):
    scores = []
    for c in range(num_classes):
        if c not in labels:
            continue
        tp = np.sum((labels == c) & (predictions == c))
        fp = np.sum((labels != c) & (predictions == c))
        fn = np.sum((labels == c) & (predictions != c))
        scores.append(2 * tp / (2 * tp + fp + fn))
    return np.mean(scores)


# %% fine_tuning.macro_f1
# mistake: fills the confusion matrix with fancy-indexed +=, which counts a repeated pair only once
def macro_f1(labels, predictions, num_classes):
    confusion = np.zeros((num_classes, num_classes))
    confusion[labels, predictions] += 1
    hits = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = np.where(total > 0, 2 * hits / np.maximum(total, 1), 0.0)
    return f1.mean()


# %% fine_tuning.macro_f1
# mistake: averages precision and recall over the classes first and takes the F1 of these means
def macro_f1(labels, predictions, num_classes):
    precisions, recalls = [], []
    for c in range(num_classes):
        tp = sum(1 for y, p in zip(labels, predictions) if y == c and p == c)
        predicted = sum(1 for p in predictions if p == c)
        actual = sum(1 for y in labels if y == c)
        precisions.append(tp / predicted if predicted else 0.0)
        recalls.append(tp / actual if actual else 0.0)
    precision = sum(precisions) / num_classes
    recall = sum(recalls) / num_classes
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


# %% fine_tuning.lora
# mistake: alpha is not divided by the rank
def lora(inputs, kernel, a, b, alpha):
    return inputs @ kernel + alpha * (inputs @ a @ b)


# %% fine_tuning.lora
# mistake: takes the rank from the wrong axis of a (the width)
def lora(inputs, kernel, a, b, alpha):
    rank = a.shape[0]
    scaling = alpha / rank
    frozen = np.matmul(inputs, kernel)
    update = np.matmul(np.matmul(inputs, a), b)
    return frozen + scaling * update


# %% fine_tuning.lora
# mistake: the scale alpha / r is applied to the frozen kernel's part too
def lora(inputs, kernel, a, b, alpha):
    rank = b.shape[0]
    return (alpha / rank) * (inputs @ (kernel + a @ b))


# %% fine_tuning.lora
# mistake: the einsum is written for two axes of inputs only; one axis or three raise a ValueError
def lora(inputs, kernel, a, b, alpha):
    scale = alpha / a.shape[-1]
    base = np.einsum("nw,wu->nu", inputs, kernel)
    low = np.einsum("nw,wr,ru->nu", inputs, a, b)
    return base + scale * low


# %% fine_tuning.lora_parameters
# mistake: unpacks two axes, a kernel with three raises a ValueError
def lora_parameters(kernel_shape, rank):
    width, units = kernel_shape
    return width * rank + rank * units


# %% fine_tuning.lora_parameters
# mistake: adds all the axes instead of multiplying those in front of the last
def lora_parameters(kernel_shape, rank):
    return rank * sum(kernel_shape)


# %% fine_tuning.lora_parameters
# mistake: cuts behind the first axis instead of in front of the last
def lora_parameters(kernel_shape, rank):
    a = kernel_shape[0] * rank
    b = rank * int(np.prod(kernel_shape[1:]))
    return a + b


# %% fine_tuning.lora_parameters
# mistake: counts the frozen kernel too
def lora_parameters(kernel_shape, rank):
    total = 1
    for size in kernel_shape:
        total *= size
    rows = total // kernel_shape[-1]
    return total + rows * rank + rank * kernel_shape[-1]


# %% fine_tuning.head
# mistake: trains on the raw features, without bringing the columns to a common scale
def train_and_predict(features, labels, unseen):
    n, width = features.shape
    classes = labels.max() + 1
    y = np.eye(classes)[labels]
    k = np.zeros((width, classes))
    c = np.zeros(classes)
    for _ in range(500):
        z = features @ k + c
        z = z - z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
        g = (p - y) / n
        k -= 0.1 * features.T @ g
        c -= 0.1 * g.sum(axis=0)
    return np.argmax(unseen @ k + c, axis=1)


# %% fine_tuning.head
# mistake: the unseen examples are standardised by their own mean and deviation instead of the training ones
def train_and_predict(features, labels, unseen):
    def standardise(x):
        return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)

    def softmax(z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    x = standardise(features.astype("float64"))
    num_classes = len(np.unique(labels))
    y = np.eye(num_classes)[labels]
    kernel = np.zeros((x.shape[1], num_classes))
    bias = np.zeros(num_classes)
    for _ in range(400):
        gradient = (softmax(x @ kernel + bias) - y) / len(x)
        kernel -= 0.5 * x.T @ gradient
        bias -= 0.5 * gradient.sum(axis=0)
    return (standardise(unseen.astype("float64")) @ kernel + bias).argmax(axis=1)


# %% fine_tuning.head
# mistake: divides by the deviation of a constant column, which is 0: everything becomes nan and class 0 is predicted
def train_and_predict(features, labels, unseen):
    features = features.astype(np.float64)
    mean, std = features.mean(axis=0), features.std(axis=0)
    x = (features - mean) / std
    x_new = (unseen - mean) / std
    classes = int(labels.max()) + 1
    onehot = np.zeros((len(labels), classes))
    onehot[np.arange(len(labels)), labels] = 1
    w = np.zeros((x.shape[1], classes))
    b = np.zeros(classes)
    for _ in range(300):
        scores = np.exp(x @ w + b)
        probs = scores / scores.sum(axis=1, keepdims=True)
        w -= 0.3 * x.T @ (probs - onehot) / len(x)
        b -= 0.3 * (probs - onehot).mean(axis=0)
    return np.argmax(x_new @ w + b, axis=1)


# %% fine_tuning.head
# mistake: one mean and one deviation for the whole array (axis=0 forgotten), the columns still differ by powers of ten
def train_and_predict(features, labels, unseen):
    mu = np.mean(features)
    sigma = np.std(features)
    x = (features - mu) / sigma
    new = (unseen - mu) / sigma
    n = len(x)
    k = labels.max() + 1
    targets = np.eye(k)[labels]
    weights = np.zeros((x.shape[1], k))
    bias = np.zeros(k)
    for step in range(1000):
        logits = np.einsum("nd,dk->nk", x, weights) + bias
        logits -= logits.max(axis=1)[:, None]
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1)[:, None]
        error = (probabilities - targets) / n
        weights -= 0.5 * np.einsum("nd,nk->dk", x, error)
        bias -= 0.5 * error.sum(axis=0)
    return np.argmax(new @ weights + bias, axis=-1)
