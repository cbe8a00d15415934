"""The two levels of a BIDS App: series of people, and maps of the group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmri_saliency.disk.files import read_json
from fmri_saliency.errors import ConfigError, InputError, StepError
from fmri_saliency.pipeline.pages.report_page import report
from fmri_saliency.pipeline.steps.explanation import explain
from fmri_saliency.pipeline.steps.extraction import check_log, choose_atlas, extract
from fmri_saliency.pipeline.steps.judging import judge
from fmri_saliency.pipeline.steps.sampling import foresee
from fmri_saliency.pipeline.steps.training import train
from fmri_saliency.pipeline.study.config import Config, build_section, read_settings
from fmri_saliency.pipeline.study.folder import Workspace, say
from fmri_saliency.pipeline.study.recipes import follow_recipe
from fmri_saliency.pipeline.study.runs import find
from fmri_saliency.series import series_name

__all__ = ["BidsCall", "read_call", "run_group", "run_participant"]


@dataclass(frozen=True)
class BidsCall:
    """What the call of a BIDS App says.

    Attributes
    ----------
    bids_dir : Path
        A raw data set, or derivatives of fMRIPrep.
    output_dir : Path
    labels : tuple of str
        People, with or without ``sub-``; all when empty.
    config : Path, optional
        A configuration for everything else.
    derivatives : Path, optional
        Where fMRIPrep's derivatives are, if not in ``bids_dir/derivatives/fmriprep``.
    n_jobs : int, optional
    """

    bids_dir: Path
    output_dir: Path
    labels: tuple[str, ...] = ()
    config: Path | None = None
    derivatives: Path | None = None
    n_jobs: int | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """The labels without ``sub-``, each once."""
        return tuple(dict.fromkeys(label.removeprefix("sub-") for label in self.labels))


def _is_derivative(folder: Path) -> bool:
    card = folder / "dataset_description.json"
    content = read_json(card) if card.is_file() else {}
    return isinstance(content, dict) and content.get("DatasetType") == "derivative"


def _places(call: BidsCall) -> dict[str, str]:
    """Return where scans and raw data set are, as the keys `path` and, where it is known, `raw`."""
    bids = call.bids_dir.expanduser().resolve()
    if not bids.is_dir():
        raise InputError(f"Expected a BIDS data set at {call.bids_dir}; there is no such folder.")
    inner = call.derivatives.expanduser().resolve() if call.derivatives else bids / "derivatives" / "fmriprep"
    if call.derivatives is None and (_is_derivative(bids) or not inner.is_dir()):
        return {"path": str(bids)}
    return {"path": str(inner), "raw": str(bids)}


def read_call(call: BidsCall) -> Config:
    """Return the configuration of a call: that of its file, with the call's own places and people.

    Raises
    ------
    InputError, ConfigError
        If the data set or the file cannot be used.
    """
    places = _places(call)

    def build(values: dict[str, Any], folder: Path) -> Config:
        scans, output = dict(values.get("scans", {})), dict(values.get("output", {}))
        if scans.setdefault("layout", "fmriprep") != "fmriprep":
            raise ConfigError(f'A BIDS App reads layout = "fmriprep"; [scans] says "{scans["layout"]}".')
        scans["path"] = places["path"]
        if "raw" in places:
            scans["bids"] = dict(scans.get("bids", {})) | {"raw": places["raw"]}
        if call.people:
            scans["subjects"] = list(call.people)
        output["path"] = str(call.output_dir.expanduser().resolve())
        if call.n_jobs is not None:
            output["n_jobs"] = call.n_jobs
        return build_section(Config, follow_recipe(values | {"scans": scans, "output": output}), "", folder)

    return read_settings(call.config, build) if call.config else build({}, Path.cwd())


def run_participant(call: BidsCall) -> None:
    """Extract the series of the people of the call; several calls may work for one output folder at a time.

    Raises
    ------
    StepError
        If a person of the call has no usable run, or a run of theirs failed; the others are done.
    """
    config = read_call(call)
    log = extract(config)
    check_log(log, config.output.path)
    usable = {key.split("_")[0] for key in log.loc[log["status"] == "done", "run"]}
    without = [label for label in call.people if f"sub-{label}" not in usable]
    if without:
        raise StepError(f"No usable run of {', '.join(without)} (see {config.output.path / 'runs.tsv'}).")


def run_group(call: BidsCall) -> Path:
    """Train, explain, judge and report on the runs whose series the participant level extracted.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    StepError
        If no run has been extracted; or at the end, when the report is written, if some were unusable.
    """
    config = read_call(call)
    Workspace(config.output.path).clear()
    finding = find(config)
    atlas, _ = choose_atlas(config, finding.runs)
    cards = {run.key: config.output.path / series_name(run, atlas) for run in finding.runs}
    done = [run for run in finding.runs if (card := cards[run.key]).with_name(card.name + ".json").is_file()]
    if not done:
        raise StepError(f"There are no series in {config.output.path}: run the level participant first.")
    say(foresee(config, done))
    # renews what is out of date, and writes the log of all runs
    log = extract(config, [run.key for run in done], finding)
    train(config)
    explain(config)
    judge(config)
    page = report(config)
    check_log(log, config.output.path)
    return page
