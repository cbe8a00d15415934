"""A folder to work in: an annotated configuration, and what runs it on a laptop or a cluster."""

from __future__ import annotations

import shlex
from pathlib import Path

from fmri_saliency.disk.files import write_text
from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import InputError, StepError, one_of
from fmri_saliency.pipeline.commands.demo import simulate
from fmri_saliency.pipeline.study.folder import say
from fmri_saliency.simulated_scans import SimulationSettings

__all__ = ["SOURCES", "new_workflow"]

SOURCES = ("hcp", "fmriprep", "table", "demo")
FILES = ("Snakefile", "profiles/local/config.yaml", "profiles/slurm/config.yaml", "slurm_array.sh")
FIRST = {
    "hcp": "Say in config.toml where the HCP's folder is, and which tasks to take",
    "fmriprep": "Say in config.toml where fMRIPrep's derivatives are, and which tasks to take",
    "table": "Say in config.toml where the table of runs is",
    "demo": "The demo's scans are in scans/, and nothing needs to be edited",
}


def new_workflow(folder: Path, source: str = "hcp") -> str:
    """Copy a configuration, the Snakefile with its profiles, and the script for Slurm to a folder.

    Parameters
    ----------
    folder : Path
        Made where it is not there; nothing in it is overwritten.
    source : {"hcp", "fmriprep", "table", "demo"}
        Which annotated configuration becomes ``config.toml``; for the demo its scans are simulated, too.

    Returns
    -------
    str
        What to do next.

    Raises
    ------
    InputError
        If `source` is unknown, or the folder holds a file of one of the names.
    StepError
        If the folder cannot be written to.
    """
    folder, templates = Path(folder), data_folder("workflows")
    one_of(source, SOURCES, "--from")
    names = ("config.toml", *FILES, *(("scans",) if source == "demo" else ()))
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise InputError(f"{folder} has {', '.join(there)} already, which would be overwritten. Choose a new folder.")
    text = (templates / f"{source}.toml").read_text(encoding="utf-8")
    try:
        if source == "demo":
            say(f"Simulating the demo's scans in {folder / 'scans'} ...")
            simulate(folder / "scans", SimulationSettings())
        write_text(folder / "config.toml", text.replace(f"run {source}.toml", "run config.toml"))
        for name in FILES:
            write_text(folder / name, (templates / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise StepError(f"{folder} cannot be written to: {error.strerror or error}. Choose another folder.") from None
    config, place = shlex.quote(str(folder / "config.toml")), shlex.quote(str(folder))
    return (
        f"1. {FIRST[source]}; `fmri-saliency runs {config}` lists what is found.\n"
        f"2. cd {place} && snakemake --profile profiles/local      (or: fmri-saliency run config.toml)\n"
        "3. On a cluster: put partition and account into profiles/slurm/config.yaml, then snakemake --profile "
        "profiles/slurm; without Snakemake: put them into slurm_array.sh, then sbatch slurm_array.sh config.toml."
    )
