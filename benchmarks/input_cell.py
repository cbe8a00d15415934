"""How much an input-cell layer costs beside torch's LSTM, a per-step loop, and the floor of its matrix products.

Call it as ``python benchmarks/input_cell.py [--quick] [--device cuda]``. Every figure is a ratio of medians of
interleaved repetitions in one run: forward, and backward to the input, with memory that is kept between repetitions.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import time
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from tqdm.auto import tqdm

from fmri_saliency.models import InputCellLSTM

Call = Callable[[Tensor], Tensor]
LARGEST = 1.2e9  # bytes of what is read, beyond which the flatten form is left out


class LoopCell(nn.Module):
    """The paper's equations step by step, as one writes them down: attention over all inputs so far, then the gates."""

    def __init__(self, layer: InputCellLSTM) -> None:
        super().__init__()
        self.attention, self.cell = layer.directions[0].attention, layer.directions[0].recurrence

    def forward(self, x: Tensor) -> Tensor:
        """Return the hidden sequence (batch, time, hidden)."""
        h = c = x.new_zeros(len(x), self.cell.hidden_size)
        bias, steps = self.cell.bias_ih_l0 + self.cell.bias_hh_l0, []
        for t in range(x.shape[1]):
            seen = x[:, : t + 1]
            weights = self.attention.scores(seen).softmax(dim=1)
            read = (weights.transpose(1, 2) @ seen).mean(dim=1)
            gates = read @ self.cell.weight_ih_l0.T + h @ self.cell.weight_hh_l0.T + bias
            i, f, g, o = gates.chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            steps.append(h)
        return torch.stack(steps, dim=1)


class PairsCell(nn.Module):
    """A plain evaluation for all steps at once, with the (time, time) matrix of every hop."""

    def __init__(self, layer: InputCellLSTM) -> None:
        super().__init__()
        self.attention, self.cell = layer.directions[0].attention, layer.directions[0].recurrence

    def forward(self, x: Tensor) -> Tensor:
        """Return the hidden sequence (batch, time, hidden)."""
        n = x.shape[1]
        scores = self.attention.scores(x).transpose(1, 2).unsqueeze(2).expand(-1, -1, n, -1)
        future = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -torch.inf).softmax(dim=3).mean(dim=1)
        return self.cell(weights @ x)[0]


def keep_memory() -> None:
    """Let the C library keep what is freed: where it hands pages back, every repetition pays for getting them anew."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        set_option(option, 2**30)


def run(call: Call, x: Tensor) -> None:
    """Forward, and backward from the last hidden state to the input."""
    torch.autograd.grad(call(x)[:, -1].sum(), x)
    if x.is_cuda:
        torch.cuda.synchronize()


def compare(calls: dict[str, Call], inputs: dict[str, Tensor], repeats: int) -> dict[str, float]:
    """Return the median milliseconds of every call, repetitions interleaved."""
    for name, call in calls.items():
        run(call, inputs[name])
        run(call, inputs[name])
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begin = time.perf_counter()
            run(call, inputs[name])
            taken[name].append(1e3 * (time.perf_counter() - begin))
    return {name: statistics.median(values) for name, values in taken.items()}


def first(layer: nn.Module) -> Call:
    """Return the hidden sequence of a layer that also answers with its state."""
    return lambda x: layer(x)[0]


def contestants(n_regions: int, hidden: int, hops: int, device: str) -> dict[str, nn.Module]:
    """Return the layers, all of one size."""
    torch.manual_seed(0)
    layers = {
        "lstm": nn.LSTM(n_regions, hidden, batch_first=True),
        "mean": InputCellLSTM(n_regions, hidden, hops),
        "flatten": InputCellLSTM(n_regions, hidden, hops, form="flatten"),
        "floor": nn.LSTM(n_regions * hops, hidden, batch_first=True),
    }
    return {name: layer.to(device) for name, layer in layers.items()}


def draw(batch: int, n_times: int, width: int, device: str) -> Tensor:
    """Return noise of the given shape that a gradient is wanted for."""
    return torch.randn(batch, n_times, width, device=device, requires_grad=True)


def measure(size: tuple[int, int, int, int, int], repeats: int, device: str, slow: bool) -> dict[str, float]:
    """Return milliseconds of all contestants at one size (batch, regions, hidden, hops, time)."""
    batch, n_regions, hidden, hops, n_times = size
    layers = contestants(n_regions, hidden, hops, device)
    x = draw(batch, n_times, n_regions, device)
    if slow or n_times <= 16:
        wanted = first(layers["mean"])(x)
        for other in (LoopCell(layers["mean"]), PairsCell(layers["mean"])):
            torch.testing.assert_close(other(x), wanted, rtol=1e-3, atol=1e-4)  # all compute the same
    found = duel(first(layers["mean"]), first(layers["lstm"]), x, x, repeats, ("mean", "lstm"))
    if 4 * batch * n_times * n_regions * hops < LARGEST:
        wide = draw(batch, n_times, n_regions * hops, device)
        few = max(3, repeats // 3)
        found |= duel(first(layers["flatten"]), first(layers["floor"]), x, wide, few, ("flatten", "floor"))
    if n_times <= 16:
        found |= duel(first(layers["mean"]), PairsCell(layers["mean"]), x, x, 4 * repeats, ("mean", "pairs"))
    if slow:
        found |= duel(first(layers["mean"]), LoopCell(layers["mean"]), x, x, max(3, repeats // 3), ("mean", "loop"))
    return found


def duel(one: Call, other: Call, x: Tensor, wide: Tensor, repeats: int, names: tuple[str, str]) -> dict[str, float]:
    """Return the milliseconds of two calls, measured in turn, and their ratio under the key ``one/other``."""
    times = compare(dict(zip(names, (one, other), strict=True)), dict(zip(names, (x, wide), strict=True)), repeats)
    return {"/".join(names): times[names[0]] / times[names[1]], f"{names[0]}|{names[1]}": times[names[0]],
            f"{names[1]}|{names[0]}": times[names[1]]}  # fmt: skip


def peak_bytes(layer: nn.Module, x: Tensor) -> int:
    """Return the largest number of bytes that tensors hold at one time in forward and backward."""
    if x.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        run(first(layer), x)
        return torch.cuda.max_memory_allocated()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        run(first(layer), x)
    held = most = 0
    for event in sorted(record.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def ratio(times: dict[str, float], one: str, other: str) -> float | None:
    """Return a ratio of medians, None where it was not measured."""
    found = times.get(f"{one}/{other}")
    return None if found is None else round(found, 4)


def table(sizes: list[tuple[int, int, int, int, int]], repeats: int, device: str, loops: tuple[int, ...]) -> dict:
    """Measure all sizes and print a line for each."""
    print(f"{'batch':>5} {'N':>5} {'H':>4} {'r':>3} {'T':>5} {'lstm ms':>9} {'mean/lstm':>10} {'flatten/floor':>14} "
          f"{'mean/loop':>10} {'mean/pairs':>10}")
    found = {}
    for size in tqdm(sizes, unit="size"):
        slow = size[4] in loops and size[:4] == sizes[0][:4]
        few = max(3, round(repeats * min(1.0, 8 * 100 * 400 / (size[0] * size[1] * size[4]))))
        times = found[size] = measure(size, few, device, slow)
        cells = [ratio(times, *pair) for pair in (("mean", "lstm"), ("flatten", "floor"), ("mean", "loop"),
                                                  ("mean", "pairs"))]  # fmt: skip
        words = ["-" if cell is None else f"{cell:.2f}" if cell > 0.1 else f"{cell:.4f}" for cell in cells]
        batch, n_regions, hidden, hops, n_times = size
        tqdm.write(f"{batch:5d} {n_regions:5d} {hidden:4d} {hops:3d} {n_times:5d} {times['lstm|mean']:9.2f} "
                   f"{words[0]:>10} {words[1]:>14} {words[2]:>10} {words[3]:>10}")
    return found


def summary(found: dict, base: tuple[int, int, int, int], memory: dict[int, int]) -> dict[str, object]:
    """Return the figures of the last line."""

    def at(n_times: int, one: str, other: str) -> float | None:
        return ratio(found[(*base, n_times)], one, other) if (*base, n_times) in found else None

    growth = plain = None
    if {(*base, 800), (*base, 1600)} <= set(found):
        growth, plain = (
            round(found[(*base, 1600)][name] / found[(*base, 800)][name], 3) for name in ("mean|lstm", "lstm|mean")
        )
    return {
        "mean_vs_lstm_T400": at(400, "mean", "lstm"),
        "mean_vs_loop_T25": at(25, "mean", "loop"),
        "mean_vs_loop_T100": at(100, "mean", "loop"),
        "mean_vs_loop_T400": at(400, "mean", "loop"),
        "mean_growth_T1600_T800": growth,
        "lstm_growth_T1600_T800": plain,
        "flatten_vs_floor_T400": at(400, "flatten", "floor"),
        "mean_vs_pairs_T16": at(16, "mean", "pairs"),
        "memory_growth_T1600_T800": round(memory[1600] / memory[800], 3),
        "lstm_ms_T400": round(found[(*base, 400)]["lstm|mean"], 3),
    }


def main() -> None:
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one size, under a minute")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    keep_memory()
    base = (8, 100, 32, 10)
    loops = (25, 100, 400)
    figures = {}
    for threads in [1] if options.quick else options.threads:
        torch.set_num_threads(threads)
        print(f"device {options.device}, {threads} thread{'s' if threads > 1 else ''}, torch {torch.__version__}")
        sizes = [(*base, n_times) for n_times in (16, 25, 100, 200, 400, 800, 1600)]
        if not options.quick:
            grid = product((8, 64), (100, 400, 1000), (32, 128), (10, 20), (100, 200, 400, 800, 1600))
            sizes += [size for size in grid if size not in sizes]
        found = table(sizes, 15 if options.quick else 9, options.device, loops)
        layer = contestants(*base[1:], options.device)["mean"]
        memory = {n: peak_bytes(layer, draw(base[0], n, base[1], options.device)) for n in (800, 1600)}
        figures[threads] = summary(found, base, memory)
        del found
    one = figures[min(figures)]
    print(json.dumps({**one, "device": options.device, "threads": figures}))


if __name__ == "__main__":
    main()
