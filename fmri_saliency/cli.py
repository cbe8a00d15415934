"""The command line: argparse here, everything heavy inside the handlers."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from fmri_saliency import __version__
from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import (
    ConfigError,
    CoverageWarning,
    FmriSaliencyError,
    ScanWarning,
    SpaceMismatchWarning,
    SplitWarning,
    TimingWarning,
    in_words,
    lacks_memory,
    printable,
)

__all__ = ["main", "make_parser"]

DEBUG = "show the traceback of an error"
NEEDS_FOLD = "--network goes with --fold: without it every configured network is taken."
LEVELS = {
    "participant": "extract the region time series of the runs of some people, or of all",
    "group": "train, explain, judge and report on what the participant level extracted",
}
SOURCES = ("hcp", "fmriprep", "table", "demo")
STEPS = {
    "run": "the whole job: extract, train, explain, judge, report",
    "extract": "step 1: region time series of every run",
    "train": "step 2: samples, and decoders tested on held-out people",
    "explain": "step 3: saliency of held-out samples, maps per class",
    "judge": "step 4: checks of the maps",
    "report": "step 5: figures and the page (runs the checks first); a partial page after a job that was stopped",
}


def _run(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import load_config, run_all

    print(run_all(load_config(options.config)))


def _extract(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import extract, extract_chunk, load_config
    from fmri_saliency.pipeline.steps.extraction import check_log

    config = load_config(options.config)
    if options.chunk is not None:
        return extract_chunk(config, options.chunk)
    log = extract(config, options.run or ())
    check_log(log[log["run"].isin(options.run)] if options.run else log, config.output.path)


def _train(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import load_config, train, train_fold

    config = load_config(options.config)
    if options.fold is not None:
        train_fold(config, options.fold, options.network)
    elif options.network:
        raise ConfigError(NEEDS_FOLD)
    else:
        train(config)


def _explain(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import explain, explain_fold, load_config

    config = load_config(options.config)
    if options.fold is not None:
        explain_fold(config, options.fold, options.network)
    elif options.network:
        raise ConfigError(NEEDS_FOLD)
    else:
        explain(config)


def _judge(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import judge, load_config

    judge(load_config(options.config))


def _report(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import load_config
    from fmri_saliency.pipeline.commands.whole_job import judge_and_report

    print(judge_and_report(load_config(options.config)))


def _runs(options: argparse.Namespace) -> None:
    from fmri_saliency.disk.texts import one_line
    from fmri_saliency.pipeline import load_config
    from fmri_saliency.pipeline.steps.sampling import foresee
    from fmri_saliency.pipeline.study.runs import find

    config = load_config(options.config)
    finding = find(config)
    if options.keys:
        print("\n".join(f"{run.key}\t{run.bold}" for run in finding.runs))
    else:
        log = finding.log.map(lambda cell: one_line(str(cell)))
        print("\n".join("\t".join(row) for row in [log.columns, *log.to_numpy()]), flush=True)
        print(foresee(config, finding.runs), file=sys.stderr)


def _status(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import load_config
    from fmri_saliency.pipeline.progress.state import survey
    from fmri_saliency.pipeline.progress.words import status_as_dict, status_in_words

    found = survey(load_config(options.config))
    print(json.dumps(status_as_dict(found), indent=2) if options.json else status_in_words(found, options.config))


def _provenance(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline.progress.provenance import trace, trace_in_words

    found = trace(options.file, options.hash, dict(one.split("=", 1) for one in options.data or ()))
    print(json.dumps(found, indent=2) if options.json else trace_in_words(found))


def _search(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import load_config
    from fmri_saliency.pipeline.steps.searching import read_part, search, search_fold, search_trial

    config = load_config(options.config)
    if options.trial:
        return search_trial(config, options.trial)
    if options.fold is not None:
        return search_fold(config, options.fold)
    page = search(config, read_part(options.job))
    if page is not None:
        print(page)


def _index(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import deal_runs, load_config

    print(deal_runs(load_config(options.config), options.chunk_size))


def _gather(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import gather, load_config

    gather(load_config(options.config))


def _workflow(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline.commands.workflow_files import new_workflow

    print(new_workflow(options.folder, options.source))


def _evaluate(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import evaluate, load_evaluation

    print(evaluate(load_evaluation(options.config)))


def _settings(options: argparse.Namespace) -> object:
    from fmri_saliency.simulated_scans import SimulationSettings

    given = {name: getattr(options, name) for name in ("subjects", "seed", "effect")}
    given["tasks"] = tuple(task.upper() for task in options.tasks) if options.tasks else None
    return SimulationSettings(**{name: value for name, value in given.items() if value is not None})


def _simulate(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline.commands.demo import simulate

    print(simulate(options.out, _settings(options)))


def _demo(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline import run_demo

    print(run_demo(options.out, _settings(options)))


def _atlases(options: argparse.Namespace) -> None:
    from fmri_saliency.brain import describe_atlas, list_atlases

    print(describe_atlas(options.name, options.data_dir) if options.name else list_atlases(options.data_dir))


def _bids_app(options: argparse.Namespace) -> None:
    from fmri_saliency.pipeline.commands.bids_app import BidsCall, run_group, run_participant

    call = BidsCall(options.bids_dir, options.output_dir, tuple(options.participant_label or ()), options.config,
                    options.derivatives, options.n_jobs)
    if options.level == "participant":
        run_participant(call)
    else:
        print(run_group(call))


def _add_simulation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--subjects", type=int, help="how many people (default 16)")
    parser.add_argument("--tasks", nargs="+", metavar="TASK",
                        help="HCP task names (default EMOTION GAMBLING MOTOR RELATIONAL)")
    parser.add_argument("--seed", type=int, help="of everything random (default 0)")
    parser.add_argument("--effect", type=float, help="peak of the response in per cent (default 1.0; 0 is pure noise)")


def _add_pieces(commands: dict[str, argparse.ArgumentParser]) -> None:
    """Add what lets a job do a piece of a step."""
    piece = commands["extract"].add_mutually_exclusive_group()
    piece.add_argument("--run", action="append", metavar="KEY",
                       help="only this run (repeatable); `fmri-saliency runs` lists the keys")
    piece.add_argument("--chunk", type=int, metavar="I",
                       help="only the runs of chunk I, from 1, that `fmri-saliency index` dealt out")
    for name in ("train", "explain"):
        commands[name].add_argument("--fold", type=int, metavar="K",
                                    help="only fold K, from 1; without it, what is left, and what is of all folds")
        commands[name].add_argument("--network", default="", metavar="NAME", help="with --fold: only this network")


def make_bids_parser() -> argparse.ArgumentParser:
    """Return the parser of the call as a BIDS App, ``fmri-saliency BIDS_DIR OUT_DIR {participant,group}``."""
    parser = argparse.ArgumentParser(
        prog="fmri-saliency",
        description="Region time series and saliency maps of a BIDS data set that fMRIPrep preprocessed.",
        epilog="levels:\n" + "\n".join(f"  {level:<12} {words}" for level, words in LEVELS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR",
                        help="a raw data set with derivatives/fmriprep in it, or the derivatives themselves")
    parser.add_argument("output_dir", type=Path, metavar="OUT_DIR", help="folder to write to")
    parser.add_argument("level", choices=tuple(LEVELS), help="which part of the job; see below")
    parser.add_argument("--participant-label", "--participant_label", nargs="+", metavar="LABEL",
                        help="only these people, with or without sub-")
    parser.add_argument("--derivatives", type=Path, metavar="DIR",
                        help="where fMRIPrep's derivatives are, if not in BIDS_DIR/derivatives/fmriprep")
    parser.add_argument("--config", type=Path, metavar="CONFIG.toml",
                        help="everything else (see fmriprep.toml); paths and people of the call win over its own")
    parser.add_argument("--n-jobs", "--n_jobs", type=int, metavar="N", help="processes; -1 for all cores")
    parser.add_argument("--skip-bids-validation", "--skip_bids_validation", action="store_true",
                        help="accepted for the sake of other BIDS Apps: this one never validates")
    parser.add_argument("--debug", action="store_true", help=DEBUG)
    parser.add_argument("--version", action="version", version=f"fmri-saliency {__version__}")
    parser.set_defaults(handler=_bids_app)
    return parser


def is_bids_call(words: Sequence[str], commands: Sequence[str]) -> bool:
    """Return whether the words are those of a BIDS App: a folder where a command would stand, or a level."""
    places = [word for word in words if not word.startswith("-")]
    if not places or places[0] in commands:
        return False
    return bool(set(places) & set(LEVELS)) or "/" in places[0] or Path(places[0]).is_dir()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``fmri-saliency COMMAND``."""
    return _make_parser()[0]


def _make_parser() -> tuple[argparse.ArgumentParser, tuple[str, ...]]:
    """Return the parser, and the names of its commands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=DEBUG)
    parser = argparse.ArgumentParser(
        prog="fmri-saliency",
        description="Which brain regions, at which moments, told the network what task it was?",
        epilog="As a BIDS App:\nfmri-saliency BIDS_DIR OUT_DIR {participant,group} (--help after it tells more)\n\n"
               f"Annotated configurations to start from:\n{data_folder('workflows')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help=DEBUG)
    parser.add_argument("--version", action="version", version=f"fmri-saliency {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, words: str, handler: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".",
                                      parents=[common])
        command.set_defaults(handler=handler)
        return command

    _add_simulation(add("demo", "simulate a small data set and run the whole job on it", _demo))
    handlers = {"run": _run, "extract": _extract, "train": _train, "explain": _explain, "judge": _judge,
                "report": _report}
    for name, words in STEPS.items():
        command = add(name, words, handlers[name])
        command.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration")
    _add_pieces(commands.choices)
    command = add("workflow", "set up a folder for Snakemake or Slurm: `workflow new FOLDER`", _workflow)
    command.add_argument("action", choices=("new",), metavar="new", help="make a new folder; nothing is asked")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that is not there yet, or is empty")
    command.add_argument("--from", dest="source", choices=SOURCES, default=SOURCES[0],
                         help="which annotated configuration to begin with (default %(default)s)")
    command = add("index", "find the runs once and deal them out in chunks, for jobs of a cluster", _index)
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration")
    command.add_argument("--chunk-size", type=int, default=100, metavar="N", help="runs of a chunk (default 100)")
    command = add("gather", "bring the chunks together: the log of all runs, and the samples", _gather)
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration")
    command = add("runs", "list the runs that a configuration finds", _runs)
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration")
    command.add_argument("--keys", action="store_true", help="only the usable runs: key and scan, tab-separated")
    command = add("status", "say per step what is done, running, failed and waiting", _status)
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration")
    command.add_argument("--json", action="store_true", help="as JSON, with the state of every fold")
    command = add("search", "compare the settings of [search] by nested cross-validation", _search)
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration, with [search]")
    piece = command.add_mutually_exclusive_group()
    piece.add_argument("--job", metavar="K/N", help="only the K-th of N shares of the decoders, for arrays of jobs")
    piece.add_argument("--trial", metavar="KEY",
                       help="only this decoder of the inner folds, that `fmri-saliency index` listed in trials.tsv")
    piece.add_argument("--fold", type=int, metavar="K",
                       help="only choose for outer fold K, from 1, by its trials, and test the chosen setting on it")
    command = add("provenance", "say what a result was made from, back to the scans", _provenance)
    command.add_argument("file", type=Path, metavar="FILE", help="any file of an output folder")
    command.add_argument("--hash", action="store_true", help="read the scans, too, and compare their SHA-256")
    command.add_argument("--data", action="append", metavar="NAME=DIR",
                         help="where a data set lies now (repeatable), for example scans=/data/hcp")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("evaluate", "judge pairs of network and explainer on data with known truth", _evaluate)
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="see evaluate.toml among the annotated ones")
    _add_simulation(add("simulate", "write an HCP-like data set with known truth", _simulate))
    command = add("atlases", "list the atlases that can be chosen, and whether they are on this machine", _atlases)
    command.add_argument("name", nargs="?", metavar="NAME", help="all about one: options, licence, what to cite")
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="where downloads lie, if not in nilearn's folder")
    return parser, tuple(commands.choices)


def _warn_once() -> Callable[..., None]:
    """Return a printer of warnings that says each one once, without file and line."""
    said: set[str] = set()

    def show(message: object, category: type, *where: object, **more: object) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"Warning: {printable(str(message))}", file=sys.stderr)

    return show


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 2 for bad input or configuration, 1 for a failed run."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser, commands = _make_parser()
    options = (make_bids_parser() if is_bids_call(words, commands) else parser).parse_args(words)
    with warnings.catch_warnings():
        warnings.showwarning = _warn_once()
        for category in (CoverageWarning, ScanWarning, SpaceMismatchWarning, SplitWarning, TimingWarning):
            warnings.simplefilter("always", category)
        try:
            options.handler(options)
        except KeyboardInterrupt:
            print("Interrupted. What is done is kept; the same command goes on from there.", file=sys.stderr)
            return 130
        except FmriSaliencyError as error:
            if options.debug:
                traceback.print_exc()
            print(f"Error: {printable(str(error))}", file=sys.stderr)
            return error.exit_code
        except Exception as error:  # the edge: whatever went wrong becomes one message
            if options.debug:
                traceback.print_exc()
            words = in_words(error, "unexpected")
            foreseen = lacks_memory(error) or isinstance(error, OSError)
            hint = "" if options.debug or foreseen else " Run again with --debug for the traceback."
            print(f"Error: {printable(words[0].lower() + words[1:])}{hint}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
