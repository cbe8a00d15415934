"""Change valid studies at random, and see that whatever comes of it is one clear message, or the right series.

    python benchmarks/fuzz.py [--quick] [--seed 0] [--cases 3000] [--jobs 2] [--only CASE] [--keep FOLDER]

A case is one change of one file of a tiny valid study (`fuzz_inputs.py`: a table of runs, derivatives of fMRIPrep,
the HCP's folders): a value of the configuration, a cell or a line of a table, a field of a header, bytes of the voxels,
the atlas (`fuzz_mutations.py`). `runs`, `extract` and, one time in four, the cutting of samples then work on it in a
fork of this process, with a limit of time and of memory. What a change may do is said beside it: nothing (the values
must be those of the valid study), be refused, or anything; runs that the changed file does not belong to must always
have the values of the valid study. Outcomes:

- ``clear``: one message, or rows of runs.tsv that say why, and the exit code that belongs to it;
- ``equal``, ``different``: taken, with the values of the valid study, or with others where that is right;
- ``unexpected`` (an error that nobody foresaw, a warning of a library, no message, a death), ``hang``, ``memory``,
  ``outside`` (a file written outside the output folder), ``stopped`` (other runs have no series),
  ``wrong`` (taken in silence, with values that are not right): these are faults, and must be 0.

The last line is one JSON object: counts, and the faults, each with the number that `--only` makes again (with the same
`--seed`).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fuzz_inputs import LAYOUTS, make_study
from fuzz_mutations import MUTATIONS, REFUSED, SAME, Mutation, Skip

FAULTS = ("unexpected", "hang", "memory", "outside", "stopped", "wrong")
OUTCOMES = ("clear", "equal", "different", *FAULTS)
SECONDS, MEMORY = 30, 2**31  # of a case; bytes beside those of this process
Series = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A changed study.

    Attributes
    ----------
    number : int
        With the seed it says everything about the case.
    layout : str
    mutation : Mutation
    """

    number: int
    layout: str
    mutation: Mutation


def change(mutation: Mutation, rng: random.Random, study: Path) -> tuple[Path, str]:
    """Change a study; return the file, and what was done to it.

    Raises
    ------
    Skip
        If it has no such file, or the change would move the output folder.
    """
    places = sorted(path for path in study.glob(mutation.files) if path.is_file())
    if not places:
        raise Skip
    path = rng.choice(places)
    words = mutation.change(rng, path)
    if path.name == "config.toml" and path.stat().st_size > 300 and b'\npath = "out"' not in path.read_bytes():
        raise Skip
    return path, words


def read_series(out: Path) -> Series:
    """Return the series of all runs, by the name of their file: columns in the order of their names, n/a as NaN."""
    found = {}
    for path in sorted(out.glob("sub-*/**/*_stat-mean_timeseries.tsv")):
        head, *rows = csv.reader(path.read_text().splitlines(), delimiter="\t")
        order = sorted(range(len(head)), key=head.__getitem__)
        found[path.name] = np.array([[np.nan if row[k] == "n/a" else float(row[k]) for k in order] for row in rows])
    return found


def belongs(path: Path, study: Path, name: str) -> bool:
    """Return whether a file of a study belongs to the run whose series have this name; common files belong to all."""
    run = dict(part.split("-", 1) for part in name.split("_") if "-" in part)
    place = path.relative_to(study).as_posix()
    if place.startswith("tree/") and place.count("/") > 4:
        return f"/{run['sub']}/" in f"/{place}" and f"_{run['task'].upper()}_{run['dir']}" in place
    stem = f"sub-{run['sub']}_task-{run['task']}_"
    return stem in path.name if "_task-" in path.name and "sub-" in path.name else True


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two series are the same but for rounding."""
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-3, atol=1e-3, equal_nan=True)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file below a folder, but for an output folder's."""
    found = {}
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if place.parts[:2] not in (("study", "out"), ("tmp",)) and place.parts[0] != "tmp" and not path.is_dir():
            state = path.lstat()
            found[place.as_posix()] = (state.st_size, state.st_mtime_ns)
    return found


def work(folder: Path, samples: bool) -> int:
    """Do what a user does, in the fork; return the exit code."""
    from fmri_saliency.cli import main

    config = str(folder / "study" / "config.toml")
    found = main(["runs", config])
    if found not in (0, 1, 2):
        return found
    code = main(["extract", config])
    if samples and code == 0:
        from fmri_saliency.errors import FmriSaliencyError
        from fmri_saliency.pipeline import load_config
        from fmri_saliency.pipeline.steps.sampling import load_samples

        try:
            load_samples(load_config(Path(config)))
        except FmriSaliencyError as error:
            print(f"Error: {error}", file=sys.stderr)
    return code


def child(folder: Path, samples: bool) -> None:
    """Work in the fork, with limits, and end it."""
    code = 99
    try:
        os.setsid()
        (folder / "tmp").mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        os.chdir(folder / "study")
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / "tmp" / name, os.O_WRONLY | os.O_CREAT), number)
            setattr(sys, name, open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        code = work(folder, samples)
    except BaseException:  # what escapes the command line is what is looked for
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass
class Job:
    """A case at work."""

    case: Case
    folder: Path
    changed: Path
    words: str
    before: dict[str, tuple[int, int]]
    process: int
    end: float


def begin(seed: int, number: int, valid: Path, folder: Path) -> Job:
    """Copy a valid study, change it as seed and number say, and start to work on it."""
    rng = random.Random(f"{seed}-{number}")
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        case = Case(number, rng.choice(LAYOUTS), rng.choice(MUTATIONS))
        shutil.copytree(valid / case.layout, folder / "study")
        try:
            changed, words = change(case.mutation, rng, folder / "study")
            break
        except Skip:
            continue
    samples, before = rng.random() < 0.25, listing(folder)
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        child(folder, samples)
    return Job(case, folder, changed, words, before, process, time.monotonic() + SECONDS)


def judge(job: Job, status: int | None, reference: Series) -> tuple[str, str]:
    """Return the outcome of a case, and why."""
    said = (job.folder / "tmp" / "stderr").read_text(errors="replace") if (job.folder / "tmp").is_dir() else ""
    if status is None:
        return "hang", f"no end after {SECONDS} s"
    after = listing(job.folder)
    if after != job.before:
        return "outside", ", ".join(sorted({*after.items()} ^ {*job.before.items()})[0][0:1])
    if "memory did not suffice" in said or "not fit into memory" in said or "MemoryError" in said:
        return "memory", said[-300:]
    code = os.waitstatus_to_exitcode(status)
    errors = [line for line in said.splitlines() if line.startswith("Error:")]
    if code not in (0, 1, 2) or "Traceback" in said or "unexpected" in said.lower():
        return "unexpected", f"exit code {code}: {said[-400:]}"
    if code and not errors:
        return "unexpected", f"exit code {code} without a message: {said[-300:]}"
    if any(".py:" in line and "Warning" in line for line in said.splitlines()):
        return "unexpected", f"a library's warning: {said[-300:]}"
    return compare(job, code, reference)


def compare(job: Job, code: int, reference: Series) -> tuple[str, str]:
    """Hold the series that came beside those of the valid study."""
    found = read_series(job.folder / "study" / "out")
    study, expected = job.folder / "study", job.case.mutation.expected
    mine = {name for name in reference if belongs(job.changed, study, name)}
    for name in reference.keys() - mine:
        if name not in found:
            return "stopped", f"{name} has no series"
        if not equal(found[name], reference[name]):
            return "wrong", f"{name}, which the change does not belong to, has other values"
    taken = {name for name in mine if name in found}
    other = {name for name in taken if not equal(found[name], reference[name])} | (found.keys() - reference.keys())
    if expected == SAME and other:
        return "wrong", f"{sorted(other)[0]} has other values, and the change must not matter"
    if expected == REFUSED and refused_but_taken(job, taken):
        return "wrong", f"{sorted(taken)[0]} has series, and the change must be refused"
    if code or not taken:
        return "clear", ""
    return ("different" if other else "equal"), ""


def refused_but_taken(job: Job, taken: set[str]) -> bool:
    """Return whether series came of a file that cannot be used; of a table of runs, some runs may be left out."""
    if job.changed.name == "runs.tsv":
        return len(taken) == 4
    return bool(taken)


def run_cases(numbers: Iterator[int], seed: int, valid: Path, scratch: Path, references: dict[str, Series], jobs: int,
              keep: bool) -> Iterator[tuple[Job, str, str]]:  # fmt: skip
    """Work on cases, several at the same time; yield each with its outcome."""
    running: list[Job] = []
    more = True
    while running or more:
        while more and len(running) < jobs:
            number = next(numbers, None)
            more = number is not None
            if more:
                running.append(begin(seed, number, valid, scratch / f"case-{number}"))
        for job in list(running):
            process, status = os.waitpid(job.process, os.WNOHANG)
            late = not process and time.monotonic() > job.end
            if not process and not late:
                continue
            if late:
                os.killpg(job.process, signal.SIGKILL)
                os.waitpid(job.process, 0)
            running.remove(job)
            outcome, why = judge(job, None if late else status, references[job.case.layout])
            yield job, outcome, why
            if not keep:
                shutil.rmtree(job.folder, ignore_errors=True)
        time.sleep(0.005)


def prepare(valid: Path) -> dict[str, Series]:
    """Make the valid studies, and their series by the same way that changed ones go."""
    references = {}
    for layout in LAYOUTS:
        folder = valid.parent / f"reference-{layout}"
        make_study(layout, valid / layout)
        shutil.copytree(valid / layout, folder / "study")
        process = os.fork()
        if process == 0:
            child(folder, samples=True)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        references[layout] = read_series(folder / "study" / "out")
        if code or not references[layout]:
            sys.exit(f"The valid study of the layout {layout} failed: {(folder / 'tmp' / 'stderr').read_text()}")
    return references


def load_libraries() -> None:
    """Import what the commands import, so that forks need not."""
    import nilearn.masking  # noqa: F401
    import torch

    import fmri_saliency.cli
    import fmri_saliency.pipeline.steps.extraction
    import fmri_saliency.pipeline.steps.sampling
    import fmri_saliency.pipeline.study.runs  # noqa: F401

    torch.set_num_threads(1)


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=2, help="cases at the same time")
    parser.add_argument("--only", type=int, metavar="CASE", help="only this case, kept, with all that was said")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where faults are written, as faults.json")
    options = parser.parse_args()
    load_libraries()
    begun, counts, faults, kinds = time.monotonic(), Counter(), [], Counter()
    total = 60 if options.quick else options.cases
    numbers = iter([options.only] if options.only is not None else range(total))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        scratch = Path(name)
        references = prepare(scratch / "valid")
        for job, outcome, why in run_cases(numbers, options.seed, scratch / "valid", scratch, references, options.jobs,
                                           options.only is not None):
            counts[outcome] += 1
            place = job.changed.relative_to(job.folder / "study").as_posix()
            about = {"case": job.case.number, "outcome": outcome, "layout": job.case.layout, "file": place,
                     "mutation": job.case.mutation.name, "expected": job.case.mutation.expected, "words": job.words,
                     "why": why}  # fmt: skip
            kinds[f"{job.case.mutation.name} {outcome}"] += 1
            if outcome in FAULTS or options.only is not None:
                faults.append(about)
                print(json.dumps(about, ensure_ascii=True), flush=True)
            if options.only is not None:
                print((job.folder / "tmp" / "stderr").read_text(errors="replace"), f"kept in {job.folder}")
    answer = {"seed": options.seed, "cases": sum(counts.values()), "seconds": round(time.monotonic() - begun, 1),
              **{outcome: counts[outcome] for outcome in OUTCOMES}}  # fmt: skip
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / "faults.json").write_text(json.dumps(faults, indent=1))
    print(json.dumps({**answer, "faults": [one["case"] for one in faults if one["outcome"] in FAULTS]}))


if __name__ == "__main__":
    main()
