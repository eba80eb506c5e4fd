# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% scaling.roofline
# mistake: counts a multiply-add as one operation
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    flops = m * k * n
    bytes_moved = (m * k + k * n + m * n) * bytes_per_value
    intensity = flops / bytes_moved
    return intensity, min(peak, intensity * bandwidth)


# %% scaling.roofline
# mistake: forgets that the result is written
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * n * k
    read = bytes_per_value * (m * k + k * n)
    return ops / read, min(peak, bandwidth * ops / read)


# %% scaling.roofline
# mistake: takes the higher of the two ceilings
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    intensity = 2 * m * k * n / (bytes_per_value * (m * k + k * n + m * n))
    return np.array([intensity, max(peak, intensity * bandwidth)])


# %% scaling.roofline
# mistake: computing and moving one after the other
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = bytes_per_value * (m * k + k * n + m * n)
    seconds = ops / peak + moved / bandwidth
    return ops / moved, ops / seconds


# %% scaling.roofline
# mistake: the intensity is per value, bytes_per_value is not used
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    values = m * k + k * n + m * n
    intensity = 2 * m * k * n / values
    return intensity, min(peak, bandwidth * intensity)


# %% scaling.roofline
# mistake: never looks at the bandwidth
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    intensity = 2 * m * k * n / (bytes_per_value * (m * k + k * n + m * n))
    return intensity, peak


# %% scaling.roofline
# mistake: each operation loads its two numbers again
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = bytes_per_value * (m * n * 2 * k + m * n)
    return ops / moved, min(peak, bandwidth * ops / moved)


# %% scaling.roofline
# mistake: returns the seconds that the product takes
def roofline(m, k, n, bytes_per_value, peak, bandwidth):
    ops = 2 * m * k * n
    moved = bytes_per_value * (m * k + k * n + m * n)
    return ops / moved, max(ops / peak, moved / bandwidth)


# %% scaling.accumulated_gradient
# mistake: plain mean of the micro-batches
def accumulated_gradient(gradients, sizes, clip):
    g = np.mean(gradients, axis=0)
    norm = np.sqrt(np.sum(g**2))
    if norm > clip:
        g = g * clip / norm
    return g


# %% scaling.accumulated_gradient
# mistake: sums the weighted gradients, does not divide
def accumulated_gradient(gradients, sizes, clip):
    total = np.zeros(gradients.shape[1])
    for g, s in zip(gradients, sizes):
        total += g * s
    norm = np.linalg.norm(total)
    return total * clip / norm if norm > clip else total


# %% scaling.accumulated_gradient
# mistake: clips every micro-batch before averaging
def accumulated_gradient(gradients, sizes, clip):
    total = 0
    for g, s in zip(gradients, sizes):
        norm = np.linalg.norm(g)
        if norm > clip:
            g = g / norm * clip
        total = total + s * g
    return total / sum(sizes)


# %% scaling.accumulated_gradient
# mistake: clips entry by entry
def accumulated_gradient(gradients, sizes, clip):
    g = (gradients * sizes[:, None]).sum(axis=0) / sizes.sum()
    return np.clip(g, -clip, clip)


# %% scaling.accumulated_gradient
# mistake: scales to the limit, whatever the norm
def accumulated_gradient(gradients, sizes, clip):
    g = np.average(gradients, axis=0, weights=sizes)
    return g / np.linalg.norm(g) * clip


# %% scaling.accumulated_gradient
# mistake: divides each mean by its size again
def accumulated_gradient(gradients, sizes, clip):
    g = sum(gradients[i] / sizes[i] for i in range(len(sizes))) / len(sizes)
    n = np.linalg.norm(g)
    return g if n <= clip else g * (clip / n)


# %% scaling.accumulated_gradient
# mistake: divides by the number of micro-batches times the full size
def accumulated_gradient(gradients, sizes, clip):
    full = sizes[0]
    g = sum(g * (s / full) for g, s in zip(gradients, sizes)) / len(gradients)
    n = np.linalg.norm(g)
    return g if n <= clip else g * (clip / n)


# %% scaling.accumulated_gradient
# mistake: sum of the rows
def accumulated_gradient(gradients, sizes, clip):
    g = gradients.sum(axis=0)
    n = np.sqrt((g * g).sum())
    return g * min(1, clip / n)


# %% scaling.accumulated_gradient
# mistake: compares the squared norm with clip
def accumulated_gradient(gradients, sizes, clip):
    g = np.average(gradients, axis=0, weights=sizes)
    n = np.sum(g**2)
    return g if n <= clip else g * (clip / n)


# %% scaling.accumulated_gradient
# mistake: multiplies shapes that do not fit, (k, n) * (k,)
def accumulated_gradient(gradients, sizes, clip):
    g = (gradients * sizes).sum(axis=0) / sizes.sum()
    n = np.linalg.norm(g)
    return g if n <= clip else g * (clip / n)


# %% scaling.loss_scaling
# mistake: appends the scale after the change
def loss_scaling(largest, scale, growth_steps):
    scales, skipped = [], []
    good = 0
    for g in largest:
        if np.isfinite(g) and g * scale <= 65504:
            skipped.append(False)
            good += 1
            if good == growth_steps:
                scale *= 2
                good = 0
        else:
            skipped.append(True)
            scale /= 2
            good = 0
        scales.append(scale)
    return np.array(scales), np.array(skipped)


# %% scaling.loss_scaling
# mistake: the count is not reset by an overflow
def loss_scaling(largest, scale, growth_steps):
    scales, skipped = [], []
    good = 0
    for g in largest:
        scales.append(scale)
        if g * scale <= 65504:
            skipped.append(False)
            good += 1
            if good == growth_steps:
                scale, good = scale * 2, 0
        else:
            skipped.append(True)
            scale = scale / 2
    return np.array(scales), np.array(skipped)


# %% scaling.loss_scaling
# mistake: NaN passes
def loss_scaling(largest, scale, growth_steps):
    scales = np.zeros(len(largest))
    skipped = np.zeros(len(largest), dtype=bool)
    count = 0
    for i in range(len(largest)):
        scales[i] = scale
        if largest[i] * scale > 65504:
            skipped[i] = True
            scale = scale / 2
            count = 0
        else:
            count += 1
            if count == growth_steps:
                scale = scale * 2
                count = 0
    return scales, skipped


# %% scaling.loss_scaling
# mistake: the count is not reset after growth
def loss_scaling(largest, scale, growth_steps):
    scales, skipped, count = [], [], 0
    for g in largest:
        scales.append(scale)
        bad = not (g * scale <= 65504.0)
        skipped.append(bad)
        if bad:
            scale, count = scale * 0.5, 0
        else:
            count += 1
            if count >= growth_steps:
                scale *= 2
    return scales, skipped


# %% scaling.loss_scaling
# mistake: needs more than growth_steps good steps
def loss_scaling(largest, scale, growth_steps):
    scales, skipped, count = [], [], 0
    for g in largest:
        scales.append(scale)
        bad = not (g * scale <= 65504.0)
        skipped.append(bad)
        if bad:
            scale, count = scale * 0.5, 0
            continue
        count += 1
        if count > growth_steps:
            scale, count = scale * 2, 0
    return scales, skipped


# %% scaling.loss_scaling
# mistake: looks at gradients without the scale
def loss_scaling(largest, scale, growth_steps):
    scales, skipped, count = [], [], 0
    for g in largest:
        scales.append(scale)
        bad = np.isnan(g) or g > 65504.0
        skipped.append(bad)
        if bad:
            scale, count = scale * 0.5, 0
            continue
        count += 1
        if count == growth_steps:
            scale, count = scale * 2, 0
    return scales, skipped


# %% scaling.loss_scaling
# mistake: counts skipped steps as well, doubling every growth_steps-th step
def loss_scaling(largest, scale, growth_steps):
    scales, skipped = [], []
    for i, g in enumerate(largest):
        scales.append(scale)
        bad = not (g * scale <= 65504.0)
        skipped.append(bad)
        if bad:
            scale = scale / 2
        elif (i + 1) % growth_steps == 0:
            scale = scale * 2
    return scales, skipped


# %% scaling.loss_scaling
# mistake: a loop that halves until the step fits
def loss_scaling(largest, scale, growth_steps):
    scales, skipped, count = [], [], 0
    for g in largest:
        scales.append(scale)
        if g * scale <= 65504.0:
            skipped.append(False)
            count += 1
            if count == growth_steps:
                scale, count = scale * 2, 0
        else:
            skipped.append(True)
            count = 0
            scale = scale / 2
            while np.isfinite(g) and g * scale > 65504.0:
                scale = scale / 2
    return scales, skipped


# %% scaling.loss_scaling
# mistake: exactly 65504 counts as an overflow
def loss_scaling(largest, scale, growth_steps):
    scales, skipped, count = [], [], 0
    for g in largest:
        scales.append(scale)
        ok = g * scale < 65504.0
        skipped.append(not ok)
        count = count + 1 if ok else 0
        if not ok:
            scale /= 2
        if count == growth_steps:
            scale *= 2
            count = 0
    return scales, skipped


# %% scaling.loss_scaling
# mistake: returns the applied steps
def loss_scaling(largest, scale, growth_steps):
    scales, applied, count = [], [], 0
    for g in largest:
        scales.append(scale)
        ok = g * scale <= 65504.0
        applied.append(bool(ok))
        count = count + 1 if ok else 0
        if not ok:
            scale /= 2
        if count == growth_steps:
            scale *= 2
            count = 0
    return scales, applied


# %% scaling.all_reduce_bytes
# mistake: the formula from the lesson, without filling up
def all_reduce_bytes(values, workers, bytes_per_value):
    return 2 * (workers - 1) / workers * values * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: as above, made an integer at the end
def all_reduce_bytes(values, workers, bytes_per_value):
    return int(2 * (workers - 1) * values * bytes_per_value / workers)


# %% scaling.all_reduce_bytes
# mistake: only reduce-scatter
def all_reduce_bytes(values, workers, bytes_per_value):
    chunk = math.ceil(values / workers)
    return (workers - 1) * chunk * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: N steps in each round
def all_reduce_bytes(values, workers, bytes_per_value):
    chunk = math.ceil(values / workers)
    return 2 * workers * chunk * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: sends the array itself in each step
def all_reduce_bytes(values, workers, bytes_per_value):
    return 2 * (workers - 1) * values * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: all workers together
def all_reduce_bytes(values, workers, bytes_per_value):
    padded = (values + workers - 1) // workers * workers
    return 2 * (workers - 1) * padded * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: parts rounded down
def all_reduce_bytes(values, workers, bytes_per_value):
    part = values // workers
    return 2 * (workers - 1) * part * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: fills up even where it divides evenly
def all_reduce_bytes(values, workers, bytes_per_value):
    part = values // workers + 1
    return 2 * (workers - 1) * part * bytes_per_value


# %% scaling.all_reduce_bytes
# mistake: number of values, not of bytes
def all_reduce_bytes(values, workers, bytes_per_value):
    part = -(-values // workers)
    return 2 * (workers - 1) * part


# %% scaling.shard
# mistake: device number used along the named axis
def shard(shape, mesh, layout, device):
    out = []
    for size, name in zip(shape, layout):
        if name is None:
            out.append([0, size])
        else:
            part = size // mesh[name]
            out.append([device * part, (device + 1) * part])
    return np.array(out)


# %% scaling.shard
# mistake: remainder for every axis
def shard(shape, mesh, layout, device):
    out = []
    for size, name in zip(shape, layout):
        if name is None:
            out.append([0, size])
        else:
            part = size // mesh[name]
            i = device % mesh[name]
            out.append([i * part, (i + 1) * part])
    return np.array(out)


# %% scaling.shard
# mistake: first axis of the mesh changes fastest
def shard(shape, mesh, layout, device):
    place = {}
    for name, size in mesh.items():
        place[name] = device % size
        device //= size
    out = []
    for size, name in zip(shape, layout):
        if name is None:
            out.append([0, size])
        else:
            part = size // mesh[name]
            out.append([place[name] * part, (place[name] + 1) * part])
    return np.array(out)


# %% scaling.shard
# mistake: cut into as many pieces as there are devices
def shard(shape, mesh, layout, device):
    count = int(np.prod(list(mesh.values())))
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    out = []
    for size, name in zip(shape, layout):
        if name is None:
            out.append([0, size])
        else:
            part = size // count
            out.append([place[name] * part, (place[name] + 1) * part])
    return np.array(out)


# %% scaling.shard
# mistake: begin and length
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    out = []
    for size, name in zip(shape, layout):
        part = size // mesh[name] if name else size
        out.append([place[name] * part if name else 0, part])
    return np.array(out)


# %% scaling.shard
# mistake: the name in the layout is ignored, the axes of the mesh taken in order
def shard(shape, mesh, layout, device):
    sizes = list(mesh.values())
    place = np.unravel_index(device, sizes)
    out = []
    for axis, (size, name) in enumerate(zip(shape, layout)):
        if name is None:
            out.append([0, size])
        else:
            part = size // sizes[axis]
            out.append([place[axis] * part, (place[axis] + 1) * part])
    return np.array(out)


# %% scaling.shard
# mistake: an axis that is not cut gets (0, 0)
def shard(shape, mesh, layout, device):
    place = dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))))
    result = np.zeros((len(shape), 2), int)
    for axis, name in enumerate(layout):
        if name:
            part = shape[axis] // mesh[name]
            result[axis] = place[name] * part, (place[name] + 1) * part
    return result


# %% scaling.shard
# mistake: returns the shape of the piece
def shard(shape, mesh, layout, device):
    return [size // mesh[name] if name else size for size, name in zip(shape, layout)]


# %% scaling.shard
# mistake: works for meshes of two axes only: divmod by the last
def shard(shape, mesh, layout, device):
    names = list(mesh)
    row, column = divmod(device, mesh[names[1]])
    place = {names[0]: row, names[1]: column}
    out = []
    for size, name in zip(shape, layout):
        if name is None:
            out.append([0, size])
        else:
            part = size // mesh[name]
            out.append([place[name] * part, (place[name] + 1) * part])
    return np.array(out)


# %% scaling.speedups
# mistake: takes the seconds as shares
def speedups(serial, parallel, workers):
    return 1 / (serial + parallel / workers), serial + parallel * workers


# %% scaling.speedups
# mistake: the whole of the grown job grows
def speedups(serial, parallel, workers):
    total = serial + parallel
    fixed = total / (serial + parallel / workers)
    grown = total * workers / (serial + parallel)
    return fixed, grown


# %% scaling.speedups
# mistake: divides the wrong way round
def speedups(serial, parallel, workers):
    one = serial + parallel
    return (serial + parallel / workers) / one, one / (serial + parallel * workers)


# %% scaling.speedups
# mistake: serial and parallel exchanged
def speedups(serial, parallel, workers):
    one = serial + parallel
    return one / (serial / workers + parallel), (serial * workers + parallel) / one


# %% scaling.speedups
# mistake: exchanged results
def speedups(serial, parallel, workers):
    s = serial / (serial + parallel)
    amdahl = 1 / (s + (1 - s) / workers)
    gustafson = s + (1 - s) * workers
    return gustafson, amdahl


# %% scaling.speedups
# mistake: the time of the grown job on all workers is taken as that of the fixed one
def speedups(serial, parallel, workers):
    on_all = serial + parallel / workers
    return (serial + parallel) / on_all, (serial + parallel * workers) / on_all


# %% scaling.speedups
# mistake: efficiency
def speedups(serial, parallel, workers):
    one = serial + parallel
    return one / (serial + parallel / workers) / workers, (serial + parallel * workers) / one / workers


# %% scaling.training_days
# mistake: 2 operations per weight and token
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = 2 * parameters * tokens
    return flops / (accelerators * peak * share * 86400)


# %% scaling.training_days
# mistake: recomputation ignored
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    return 6 * parameters * tokens / (accelerators * peak * share * 86400)


# %% scaling.training_days
# mistake: recomputation doubles everything
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = 6 * parameters * tokens
    if recompute:
        flops *= 2
    return flops / (accelerators * peak * share * 86400)


# %% scaling.training_days
# mistake: hours
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (8 if recompute else 6) * parameters * tokens
    return flops / (accelerators * peak * share) / 3600


# %% scaling.training_days
# mistake: multiplies by the share
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (8 if recompute else 6) * parameters * tokens
    return flops / (accelerators * peak) * share / 86400


# %% scaling.training_days
# mistake: forgets the accelerators
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    flops = (8 if recompute else 6) * parameters * tokens
    return flops / (peak * share) / 60 / 60 / 24


# %% scaling.training_days
# mistake: backward as much as forward
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    passes = 3 if recompute else 2
    return passes * 2 * parameters * tokens / (accelerators * peak * share * 86400)


# %% scaling.training_days
# mistake: two: backward as much as forward, and hours
def training_days(parameters, tokens, accelerators, peak, share, recompute):
    passes = 3 if recompute else 2
    return passes * 2 * parameters * tokens / (accelerators * peak * share * 3600)
