# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% scaling.roofline
# mistake: the lesser of peak and bandwidth, without the intensity
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = (m * k + k * n + m * n) * bytes_per_value
    return ops / moved, min(peak, bandwidth)


# %% scaling.roofline
# mistake: the result exchanged
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = (m * k + k * n + m * n) * bytes_per_value
    return min(peak, bandwidth * ops / moved), ops / moved


# %% scaling.roofline
# mistake: the ridge point as the intensity
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = (m * k + k * n + m * n) * bytes_per_value
    return peak / bandwidth, min(peak, bandwidth * ops / moved)


# %% scaling.roofline
# mistake: the result is read and written
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = (m * k + k * n + 2 * m * n) * bytes_per_value
    return ops / moved, min(peak, bandwidth * ops / moved)


# %% scaling.accumulated_gradient
# mistake: two: plain mean, and no clipping
def accumulated_gradient(gradients, sizes, clip):
    return gradients.mean(axis=0)


# %% scaling.accumulated_gradient
# mistake: weighted mean, clipping forgotten
def accumulated_gradient(gradients, sizes, clip):
    weights = sizes / sizes.sum()
    return (weights[:, None] * gradients).sum(axis=0)


# %% scaling.accumulated_gradient
# mistake: weights by the largest size
def accumulated_gradient(gradients, sizes, clip):
    g = ((sizes / max(sizes))[:, None] * gradients).mean(axis=0)
    norm = np.linalg.norm(g)
    return g * clip / norm if norm > clip else g


# %% scaling.accumulated_gradient
# mistake: norms over the micro-batches, one for each weight
def accumulated_gradient(gradients, sizes, clip):
    g = np.average(gradients, axis=0, weights=sizes)
    norm = np.linalg.norm(gradients, axis=0)
    return g * np.minimum(1, clip / norm)


# %% scaling.accumulated_gradient
# mistake: the norm is a mean of squares
def accumulated_gradient(gradients, sizes, clip):
    g = np.average(gradients, axis=0, weights=sizes)
    norm = np.sqrt(np.mean(g**2))
    return g * clip / norm if norm > clip else g


# %% scaling.loss_scaling
# mistake: never grows back
def loss_scaling(largest, scale, growth_steps):
    scales, skipped = [], []
    for g in largest:
        scales.append(scale)
        bad = bool(np.isnan(g)) or g * scale > 65504
        skipped.append(bad)
        if bad:
            scale /= 2
    return scales, skipped


# %% scaling.loss_scaling
# mistake: resets to the first scale after growth_steps good steps
def loss_scaling(largest, scale, growth_steps):
    first, good = scale, 0
    scales, skipped = [], []
    for g in largest:
        scales.append(scale)
        bad = bool(np.isnan(g)) or g * scale > 65504
        skipped.append(bad)
        if bad:
            scale, good = scale / 2, 0
        else:
            good += 1
            if good == growth_steps:
                scale, good = first, 0
    return scales, skipped


# %% scaling.loss_scaling
# mistake: 0 and 1 instead of booleans
def loss_scaling(largest, scale, growth_steps):
    good = 0
    scales, skipped = [], []
    for g in largest:
        scales.append(scale)
        if not g * scale <= 65504:
            skipped.append(1)
            scale, good = scale / 2, 0
        else:
            skipped.append(0)
            good += 1
            if good == growth_steps:
                scale, good = scale * 2, 0
    return np.array(scales), np.array(skipped)


# %% scaling.loss_scaling
# mistake: the doubled scale is used in the same step, and the count is kept by overflows: two
def loss_scaling(largest, scale, growth_steps):
    good = 0
    scales, skipped = [], []
    for g in largest:
        bad = not g * scale <= 65504
        skipped.append(bad)
        if bad:
            scales.append(scale)
            scale = scale / 2
        else:
            good += 1
            if good == growth_steps:
                scale, good = scale * 2, 0
            scales.append(scale)
    return np.array(scales), np.array(skipped)


# %% scaling.all_reduce_bytes
# mistake: N(N-1) steps
def all_reduce_bytes(values, workers, bytes_per_value):
    part = math.ceil(values / workers)
    return workers * (workers - 1) * part * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: rounded down at the end
def all_reduce_bytes(values, workers, bytes_per_value):
    return 2 * (workers - 1) * values // workers * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: a part has the length of the array over N - 1
def all_reduce_bytes(values, workers, bytes_per_value):
    if workers == 1:
        return 0
    part = math.ceil(values / (workers - 1))
    return 2 * (workers - 1) * part * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: everyone sends everything to everyone
def all_reduce_bytes(values, workers, bytes_per_value):
    return (workers - 1) * values * bytes_per_value


# %% scaling.shard
# mistake: returns slices
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    out = []
    for size, name in zip(shape, layout):
        part = size // mesh[name] if name else size
        begin = place[name] * part if name else 0
        out.append(slice(int(begin), int(begin + part)))
    return tuple(out)


# %% scaling.shard
# mistake: column by column, order="F"
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()), order="F")))
    out = []
    for size, name in zip(shape, layout):
        part = size // mesh[name] if name else size
        begin = place[name] * part if name else 0
        out.append((begin, begin + part))
    return np.array(out)


# %% scaling.shard
# mistake: ends are the last index
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    out = []
    for size, name in zip(shape, layout):
        part = size // mesh[name] if name else size
        begin = place[name] * part if name else 0
        out.append((begin, begin + part - 1))
    return np.array(out)


# %% scaling.shard
# mistake: begins as a row, ends as a row: the transpose
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    begins, ends = [], []
    for size, name in zip(shape, layout):
        part = size // mesh[name] if name else size
        begins.append(place[name] * part if name else 0)
        ends.append(begins[-1] + part)
    return np.array([begins, ends])


# %% scaling.shard
# mistake: the size of the mesh's axis as the size of the piece
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    out = []
    for size, name in zip(shape, layout):
        part = mesh[name] if name else size
        begin = place[name] * part if name else 0
        out.append((begin, begin + part))
    return np.array(out)


# %% scaling.speedups
# mistake: the fixed job on endless workers
def speedups(serial, parallel, workers):
    if serial == 0:
        return workers, workers
    return (serial + parallel) / serial, (serial + workers * parallel) / (serial + parallel)


# %% scaling.speedups
# mistake: Amdahl for both
def speedups(serial, parallel, workers):
    amdahl = (serial + parallel) / (serial + parallel / workers)
    return amdahl, amdahl


# %% scaling.speedups
# mistake: workers for the first
def speedups(serial, parallel, workers):
    return workers, (serial + workers * parallel) / (serial + parallel)


# %% scaling.speedups
# mistake: seconds saved
def speedups(serial, parallel, workers):
    return parallel - parallel / workers, parallel * workers - parallel


# %% scaling.training_days
# mistake: a third of the work: 2 for forward, 2 for recomputation
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (4 if recompute else 2) * parameters * tokens
    return flops / accelerators / peak / share / 86400


# %% scaling.training_days
# mistake: recomputation saves a pass
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (6 if recompute else 8) * parameters * tokens
    return flops / accelerators / peak / share / 86400


# %% scaling.training_days
# mistake: years
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (8 if recompute else 6) * parameters * tokens
    return flops / accelerators / peak / share / 86400 / 365


# %% scaling.training_days
# mistake: seconds
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (8 if recompute else 6) * parameters * tokens
    return flops / (accelerators * peak * share)
