"""The loops over time behind the compiled running softmax average, for numba; :mod:`..kernel` tells what they compute.

All arrays are contiguous and of one floating type. Hops are handled in groups of five, so that what is read and what is
found is loaded once for five hops; arrays of hops are therefore as long as the next multiple of five, and what is
beyond the last hop adds nothing (e = 0, f = 1, c = 0).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

try:
    from numba import njit
except ImportError:  # no compiler for this version of Python yet: matrix products serve
    njit = None

__all__ = [
    "GROUP",
    "compile_loops",
    "rank",
    "read",
    "read_back",
    "read_recent",
    "read_recent_back",
    "read_rows",
    "read_rows_back",
    "share_out",
]

GROUP = 5  # hops in one loop
WIDTH = 256  # features that are read together, so that what was read stays in the processor's nearest cache
LINE = 64  # bytes of a cache line: what is written again and again begins at one, and no two rows 4 kB apart
FAST = {"contract", "reassoc", "nsz", "arcp"}  # may reorder sums, must respect NaN and infinity


def compile_loops(function: Callable) -> Callable:
    """Compile a function on its first call, and keep the result on disk where any folder can be written."""
    if njit is None:
        return function
    try:
        return njit(nogil=True, fastmath=FAST, cache=True)(function)
    except RuntimeError:  # neither beside the package nor at home
        return njit(nogil=True, fastmath=FAST)(function)


@compile_loops
def rank(scores, above, fall):
    """Fill s_t - p_t and p_{t-1} - p_t, both (batch, time, hops and more), from the scores (batch, time, hops)."""
    batch, n_times, hops = scores.shape
    above[:, :, hops:] = -np.inf
    fall[:, :, hops:] = 0
    peak = np.empty(hops, scores.dtype)
    for b in range(batch):
        peak[:] = scores[b, 0]
        for t in range(n_times):
            score, up, down = scores[b, t], above[b, t], fall[b, t]
            for k in range(hops):
                new = max(peak[k], score[k])
                up[k] = score[k] - new
                down[k] = peak[k] - new
                peak[k] = new


@compile_loops
def share_out(enter, keep, hops, split, share):
    """Fill c from e and f, all (batch, time, hops and more); `split` hops share one row of M."""
    share[:, :, hops:] = 0
    part = enter.dtype.type(1) / enter.dtype.type(split)  # else numba computes in double precision
    mass = np.empty(hops, enter.dtype)
    for b in range(len(enter)):
        mass[:] = 0
        for t in range(enter.shape[1]):
            e, f, c = enter[b, t], keep[b, t], share[b, t]
            for k in range(hops):
                mass[k] = f[k] * mass[k] + e[k]
                c[k] = part / mass[k]


@compile_loops
def make_room(like, rows):
    """Return zeros, (rows, WIDTH and more), that begin at a cache line."""
    stride = WIDTH + LINE // 4
    room = np.zeros(rows * stride + LINE, like.dtype)
    begin = (-room.ctypes.data % LINE) // like.itemsize
    return room[begin : begin + rows * stride].reshape(rows, stride)


@compile_loops
def read(enter, keep, share, x, out):
    """Fill M, (batch, time, features): what all hops read of x, summed."""
    batch, n_times, features = x.shape
    hops = enter.shape[2]
    held = make_room(x, hops)
    for b in range(batch):
        for begin in range(0, features, WIDTH):
            width = min(WIDTH, features - begin)
            held[:] = 0
            for t in range(n_times):
                e, f, c = enter[b, t], keep[b, t], share[b, t]
                now, found = x[b, t, begin : begin + width], out[b, t, begin : begin + width]
                found[:] = 0
                for k in range(0, hops, GROUP):
                    h0, h1, h2, h3, h4 = held[k], held[k + 1], held[k + 2], held[k + 3], held[k + 4]
                    e0, e1, e2, e3, e4 = e[k], e[k + 1], e[k + 2], e[k + 3], e[k + 4]
                    f0, f1, f2, f3, f4 = f[k], f[k + 1], f[k + 2], f[k + 3], f[k + 4]
                    c0, c1, c2, c3, c4 = c[k], c[k + 1], c[k + 2], c[k + 3], c[k + 4]
                    for n in range(width):
                        v = now[n]
                        h0[n] = f0 * h0[n] + e0 * v
                        h1[n] = f1 * h1[n] + e1 * v
                        h2[n] = f2 * h2[n] + e2 * v
                        h3[n] = f3 * h3[n] + e3 * v
                        h4[n] = f4 * h4[n] + e4 * v
                        found[n] += c0 * h0[n] + c1 * h1[n] + c2 * h2[n] + c3 * h3[n] + c4 * h4[n]


@compile_loops
def _read_again(enter, keep, x, slope, begin, width, held, of_share):
    """Add S . d of every step and hop to `of_share`, for one sample and some of its features."""
    held[:] = 0
    for t in range(len(x)):
        e, f, to = enter[t], keep[t], of_share[t]
        now, d = x[t, begin : begin + width], slope[t, begin : begin + width]
        for k in range(0, len(e), GROUP):
            h0, h1, h2, h3, h4 = held[k], held[k + 1], held[k + 2], held[k + 3], held[k + 4]
            e0, e1, e2, e3, e4 = e[k], e[k + 1], e[k + 2], e[k + 3], e[k + 4]
            f0, f1, f2, f3, f4 = f[k], f[k + 1], f[k + 2], f[k + 3], f[k + 4]
            s0 = s1 = s2 = s3 = s4 = x.dtype.type(0)
            for n in range(width):
                v, w = now[n], d[n]
                v0, v1, v2 = f0 * h0[n] + e0 * v, f1 * h1[n] + e1 * v, f2 * h2[n] + e2 * v
                v3, v4 = f3 * h3[n] + e3 * v, f4 * h4[n] + e4 * v
                h0[n], h1[n], h2[n], h3[n], h4[n] = v0, v1, v2, v3, v4
                s0, s1, s2, s3, s4 = s0 + w * v0, s1 + w * v1, s2 + w * v2, s3 + w * v3, s4 + w * v4
            to[k], to[k + 1], to[k + 2] = to[k] + s0, to[k + 1] + s1, to[k + 2] + s2
            to[k + 3], to[k + 4] = to[k + 3] + s3, to[k + 4] + s4


@compile_loops
def read_back(enter, keep, share, x, slope, slope_x, slope_scores):
    """Fill the slopes at x, (batch, time, features), and at the scores, (batch, time, hops)."""
    batch, n_times, features = x.shape
    hops = enter.shape[2]
    held = make_room(x, hops)
    for b in range(batch):
        of_share = np.zeros((n_times, hops), x.dtype)  # S . d
        of_enter = np.zeros((n_times, hops), x.dtype)  # A . x
        for begin in range(0, features, WIDTH):
            width = min(WIDTH, features - begin)
            _read_again(enter[b], keep[b], x[b], slope[b], begin, width, held, of_share)
            held[:] = 0
            for t in range(n_times - 1, -1, -1):
                e, f, c, to = enter[b, t], keep[b, t], share[b, t], of_enter[t]
                now, d = x[b, t, begin : begin + width], slope[b, t, begin : begin + width]
                found = slope_x[b, t, begin : begin + width]
                found[:] = 0
                for k in range(0, hops, GROUP):
                    h0, h1, h2, h3, h4 = held[k], held[k + 1], held[k + 2], held[k + 3], held[k + 4]
                    e0, e1, e2, e3, e4 = e[k], e[k + 1], e[k + 2], e[k + 3], e[k + 4]
                    f0, f1, f2, f3, f4 = f[k], f[k + 1], f[k + 2], f[k + 3], f[k + 4]
                    c0, c1, c2, c3, c4 = c[k], c[k + 1], c[k + 2], c[k + 3], c[k + 4]
                    s0 = s1 = s2 = s3 = s4 = x.dtype.type(0)
                    for n in range(width):
                        v, w = now[n], d[n]
                        v0, v1, v2 = h0[n] + c0 * w, h1[n] + c1 * w, h2[n] + c2 * w
                        v3, v4 = h3[n] + c3 * w, h4[n] + c4 * w
                        s0, s1, s2, s3, s4 = s0 + v * v0, s1 + v * v1, s2 + v * v2, s3 + v * v3, s4 + v * v4
                        h0[n], h1[n], h2[n], h3[n], h4[n] = f0 * v0, f1 * v1, f2 * v2, f3 * v3, f4 * v4
                        found[n] += e0 * v0 + e1 * v1 + e2 * v2 + e3 * v3 + e4 * v4
                    to[k], to[k + 1], to[k + 2] = to[k] + s0, to[k + 1] + s1, to[k + 2] + s2
                    to[k + 3], to[k + 4] = to[k + 3] + s3, to[k + 4] + s4
        _reach_scores(enter[b], keep[b], share[b], slope_scores.shape[2], of_share, of_enter, slope_scores[b])


@compile_loops
def _reach_scores(enter, keep, share, split, of_share, of_enter, slope_scores):
    """Fill the slopes at one sample's scores, (time, hops), from those at c and at e."""
    of_mass, parts = np.zeros(slope_scores.shape[1], enter.dtype), enter.dtype.type(split)
    for t in range(len(enter) - 1, -1, -1):
        e, f, c, at_c, at_e, found = enter[t], keep[t], share[t], of_share[t], of_enter[t], slope_scores[t]
        for k in range(len(of_mass)):
            total = of_mass[k] - at_c[k] * c[k] * c[k] * parts
            found[k] = e[k] * (at_e[k] + total)
            of_mass[k] = total * f[k]


@compile_loops
def read_rows(enter, keep, share, hops, x, out):
    """Fill M as :func:`read` does where x or M, (batch, time, rows, features), has a row for every hop."""
    batch, n_times, rows, features = x.shape
    held = make_room(x, hops)
    for b in range(batch):
        for begin in range(0, features, WIDTH):
            width = min(WIDTH, features - begin)
            held[:] = 0
            for t in range(n_times):
                for k in range(hops):
                    past, e, f, c = held[k], enter[b, t, k], keep[b, t, k], share[b, t, k]
                    now = x[b, t, k if rows > 1 else 0, begin : begin + width]
                    found = out[b, t, k if out.shape[2] > 1 else 0, begin : begin + width]
                    if k == 0 or out.shape[2] > 1:
                        for n in range(width):
                            past[n] = f * past[n] + e * now[n]
                            found[n] = c * past[n]
                    else:
                        for n in range(width):
                            past[n] = f * past[n] + e * now[n]
                            found[n] += c * past[n]


@compile_loops
def read_rows_back(enter, keep, share, x, slope, slope_x, slope_scores):
    """Fill the slopes at x, in its shape, and at the scores, (batch, time, hops), for :func:`read_rows`."""
    batch, n_times, rows, features = x.shape
    hops = slope_scores.shape[2]
    held = make_room(x, hops)
    for b in range(batch):
        of_share = np.zeros((n_times, hops), x.dtype)
        of_enter = np.zeros((n_times, hops), x.dtype)
        for begin in range(0, features, WIDTH):
            width = min(WIDTH, features - begin)
            held[:] = 0
            for t in range(n_times):
                for k in range(hops):
                    past, e, f = held[k], enter[b, t, k], keep[b, t, k]
                    now = x[b, t, k if rows > 1 else 0, begin : begin + width]
                    d = slope[b, t, k if slope.shape[2] > 1 else 0, begin : begin + width]
                    total = x.dtype.type(0)
                    for n in range(width):
                        value = f * past[n] + e * now[n]
                        past[n] = value
                        total += d[n] * value
                    of_share[t, k] += total
            held[:] = 0
            for t in range(n_times - 1, -1, -1):
                slope_x[b, t, :, begin : begin + width] = 0
                for k in range(hops):
                    later, e, f, c = held[k], enter[b, t, k], keep[b, t, k], share[b, t, k]
                    now = x[b, t, k if rows > 1 else 0, begin : begin + width]
                    d = slope[b, t, k if slope.shape[2] > 1 else 0, begin : begin + width]
                    found = slope_x[b, t, k if rows > 1 else 0, begin : begin + width]
                    total = x.dtype.type(0)
                    for n in range(width):
                        value = later[n] + c * d[n]
                        found[n] += e * value
                        total += value * now[n]
                        later[n] = f * value
                    of_enter[t, k] += total
        _reach_scores(enter[b], keep[b], share[b], 1, of_share, of_enter, slope_scores[b])


@compile_loops
def weigh_recent(scores, b, k, t, count, weights):
    """Fill one hop's softmax weights over the last steps, from the present one backwards."""
    peak = scores[b, t, k]
    for d in range(1, count):
        peak = max(peak, scores[b, t - d, k])
    mass = scores.dtype.type(0)
    for d in range(count):
        weights[d] = np.exp(scores[b, t - d, k] - peak)
        mass += weights[d]
    for d in range(count):
        weights[d] /= mass


@compile_loops
def read_recent(scores, share, x, out):
    """Fill a, (batch, time, window), and M, (batch, time, features)."""
    batch, n_times, hops = scores.shape
    window = share.shape[2]
    weights = np.empty(window, x.dtype)
    for b in range(batch):
        for t in range(n_times):
            count = min(window, t + 1)
            share[b, t, :] = 0
            for k in range(hops):
                weigh_recent(scores, b, k, t, count, weights)
                for d in range(count):
                    share[b, t, d] += weights[d] / hops
            found = out[b, t]
            found[:] = 0
            for d in range(count):
                a, past = share[b, t, d], x[b, t - d]
                for n in range(len(found)):
                    found[n] += a * past[n]


@compile_loops
def read_recent_back(scores, share, x, slope, slope_x, slope_scores):
    """Fill the slopes at x, (batch, time, features), and at the scores, (batch, time, hops)."""
    batch, n_times, hops = scores.shape
    window = share.shape[2]
    weights, of_share = np.empty(window, x.dtype), np.empty(window, x.dtype)
    slope_x[:] = 0
    slope_scores[:] = 0
    for b in range(batch):
        for t in range(n_times):
            count, arrived = min(window, t + 1), slope[b, t]
            for d in range(count):
                a, past, of_past = share[b, t, d], x[b, t - d], slope_x[b, t - d]
                total = x.dtype.type(0)
                for n in range(len(arrived)):
                    of_past[n] += a * arrived[n]
                    total += arrived[n] * past[n]
                of_share[d] = total / hops
            for k in range(hops):
                weigh_recent(scores, b, k, t, count, weights)
                mean = x.dtype.type(0)
                for d in range(count):
                    mean += weights[d] * of_share[d]
                for d in range(count):
                    slope_scores[b, t - d, k] += weights[d] * (of_share[d] - mean)
