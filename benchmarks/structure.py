"""Count what makes the code hard to read: arguments, lines, arrows between rooms, and what one job reads again.

    python benchmarks/structure.py [--quick]

Counted in the code: functions that take a whole `Config`, functions with more than eight arguments, modules over 380
lines, lines of the package, arrows between its rooms (folders and modules below the root) and between those of the
pipeline, and circles among modules. Counted in a job of six tiny scans (not with `--quick`): how often an atlas is
loaded, samples are read, and a JSON file is read by `run`, and then by `report` alone.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import grimp

PACKAGE = "fmri_saliency"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
LONG, MANY = 380, 8
COUNTED = {
    "atlas_loads": ("fmri_saliency.brain", "load_chosen_atlas"),
    "sample_reads": ("fmri_saliency.series", "read_samples"),
    "json_reads": ("fmri_saliency.disk.files", "read_json"),
}
"""What is counted in a job: where each function is offered, and its name."""


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def count_in_code() -> dict[str, int]:
    """Return counts of arguments and lines, over all modules of the package."""
    counts: Counter[str] = Counter()
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        counts["lines"] += lines
        counts["modules"] += 1
        counts["modules_over_380_lines"] += lines > LONG
        for function in _functions(ast.parse(text)):
            given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            own = [one for one in given if one.arg not in ("self", "cls")]
            counts["functions_over_8_arguments"] += len(own) > MANY
            named = [one.annotation for one in own if one.annotation is not None]
            counts["functions_with_config"] += any(ast.unparse(one).strip("\"'") == "Config" for one in named)
    return dict(counts)


def _room(module: str, depth: int) -> str:
    return ".".join(module.split(".")[: depth + 1])


def _arrows(graph: grimp.ImportGraph, root: str, depth: int) -> set[tuple[str, str]]:
    """Return which rooms below a module import which, each pair once."""
    inside = [module for module in graph.modules if module.startswith(f"{root}.")]
    pairs = {(_room(one, depth), _room(other, depth)) for one in inside
             for other in graph.find_modules_directly_imported_by(one) if other.startswith(f"{root}.")}  # fmt: skip
    return {(one, other) for one, other in pairs if one != other}


def _circles(graph: grimp.ImportGraph) -> int:
    """Return how many groups of modules import each other (strongly connected components, Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = 0

    def visit(module: str) -> None:
        nonlocal found
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph.find_modules_directly_imported_by(module):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            at = stack.index(module)
            found += len(stack) - at > 1
            del stack[at:]

    sys.setrecursionlimit(10_000)
    for module in sorted(graph.modules):
        if module not in index:
            visit(module)
    return found


def count_arrows() -> dict[str, int]:
    """Return how many rooms there are, the arrows between them, and the circles of modules; imports for types count."""
    graph = grimp.build_graph(PACKAGE)
    rooms = {_room(module, 1) for module in graph.modules if module != PACKAGE}
    return {"rooms": len(rooms), "arrows": len(_arrows(graph, PACKAGE, 1)),
            "pipeline_arrows": len(_arrows(graph, f"{PACKAGE}.pipeline", 2)), "circles": _circles(graph)}  # fmt: skip


@contextmanager
def _counting(counts: Counter[str]) -> Iterator[None]:
    """Count calls of the functions of `COUNTED`, wherever a module of the package has them by name."""
    kept = []
    for room, _ in COUNTED.values():
        importlib.import_module(room)
    import fmri_saliency.cli
    import fmri_saliency.pipeline.commands.whole_job  # noqa: F401

    for key, (room, name) in COUNTED.items():
        original = getattr(importlib.import_module(room), name)

        def counted(*args: object, _key: str = key, _original: object = original, **kwargs: object) -> object:
            counts[_key] += 1
            return _original(*args, **kwargs)

        for module in [one for called, one in sys.modules.items() if called.startswith(PACKAGE)]:
            if vars(module).get(name) is original:
                kept.append((module, name, original))
                setattr(module, name, counted)
    try:
        yield
    finally:
        for module, name, original in kept:
            setattr(module, name, original)


def count_in_job(command: str, config: Path) -> dict[str, int]:
    """Return how often a command loads the atlas, reads samples, and reads JSON, in this process."""
    from fmri_saliency.cli import main

    counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    with _counting(counts), redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
        code = main([command, str(config)])
    if code:
        raise SystemExit(f"{command} ended with {code}: {said.getvalue()[-500:]}")
    return {f"{command}_{key}": count for key, count in counts.items()}


def count_in_jobs() -> dict[str, int]:
    """Return the counts of `run` on six scans from nothing, and then of `report` alone."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from interruptions import make_study

    with tempfile.TemporaryDirectory() as folder:
        config = make_study(Path(folder), 6)
        return count_in_job("run", config) | count_in_job("report", config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="count in the code only")
    quick = parser.parse_args().quick
    found = count_in_code() | count_arrows() | ({} if quick else count_in_jobs())
    for key, value in found.items():
        print(f"{key:32} {value:>7}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
