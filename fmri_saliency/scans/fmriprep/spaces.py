"""Which space and resolution of BIDS derivatives is meant, and what there is when none fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fmri_saliency.errors import InputError, nearest
from fmri_saliency.scans.fmriprep.tree import BidsFile, same_label

__all__ = ["BOLD_EXTENSIONS", "SELECTED", "SpaceChoice", "choose_space", "describe_variants", "in_space",
           "space_in_words"]  # fmt: skip

BOLD_EXTENSIONS = (".nii.gz", ".nii")
OWN_SPACE = "func"  # fMRIPrep's name for the run's own space, whose files have no space entity
INDIVIDUAL = (OWN_SPACE, "T1w", "T2w", "boldref", "individual")
SELECTED = ("echo", "part")
"""Entities of files that are taken only where [scans.bids] entities names them."""
NO_RESOLUTION = "native"
MNI_ADVICE = "Run fMRIPrep again with --output-spaces MNI152NLin6Asym:res-2 (it goes on from what it has)."


@dataclass(frozen=True)
class SpaceChoice:
    """A space and a resolution; `resolution` is ``native`` where names have none."""

    name: str
    resolution: str

    def __str__(self) -> str:
        return f'space = "{self.name}", resolution = "{self.resolution}"'


def _space_of(file: BidsFile) -> SpaceChoice:
    """Return the space of a file; cohorts of a template are spaces of their own, as in fMRIPrep's --output-spaces."""
    name = file.entities.get("space", OWN_SPACE)
    if "cohort" in file.entities:
        name = f"{name}:cohort-{file.entities['cohort']}"
    return SpaceChoice(name, file.entities.get("res", NO_RESOLUTION))


def _is_named(option: SpaceChoice, space: str) -> bool:
    """Return whether a space is the one that is asked for, by its whole name or by that of its template."""
    return space.replace("+", ":cohort-") in (option.name, option.name.partition(":")[0])


def space_in_words(file: BidsFile) -> str:
    """Return the space and resolution of a file, as they are written in [scans]."""
    return str(_space_of(file))


def in_space(file: BidsFile, wanted: SpaceChoice) -> bool:
    """Return whether a file is in the chosen space and resolution."""
    own = _space_of(file)
    return own.name == wanted.name and same_label(own.resolution, wanted.resolution)


def choose_space(
    path: Path, files: Sequence[BidsFile], bold: Sequence[BidsFile], space: str, resolution: str, description: str
) -> SpaceChoice:
    """Return the space and resolution to read.

    Parameters
    ----------
    path : Path
        The derivatives, for messages.
    files, bold : sequences of BidsFile
        All functional files, and the BOLD images among them that could be meant.
    space, resolution : str
        As configured; empty for the only one there is. A cohort is named as in ``MNIInfant:cohort-1``; the name of
        the template alone will do where there is one cohort. Spaces of single people (``T1w``, ``func``)
        are taken only when they are named.
    description : str
        Label of ``desc-``, for messages.

    Raises
    ------
    InputError
        If none fits, or several do; what there is is listed.
    """
    if not bold:
        raise InputError(_explain_absence(path, files, description))
    counts = Counter(_space_of(file) for file in bold)
    names = {option.name for option in counts}
    if space and not any(_is_named(option, space) for option in counts):
        raise InputError(f'No desc-{description} BOLD below {path} is in space "{space}".{nearest(space, names)} There '
                         f"is: {_listed(counts)}.")
    standard = {option: n for option, n in counts.items() if space or option.name not in INDIVIDUAL}
    if not standard:
        raise InputError(f"The BOLD below {path} is in no standard space. There is: {_listed(counts)}. {MNI_ADVICE} Or "
                         "name one of these in [scans], and bring an atlas in that space.")
    options = {
        option: n for option, n in standard.items()
        if (not space or _is_named(option, space)) and (not resolution or same_label(option.resolution, resolution))
    }  # fmt: skip
    if not options:
        raise InputError(f'No desc-{description} BOLD below {path} has resolution = "{resolution}". There is: '
                         f"{_listed(standard)}.")
    if len(options) > 1:
        raise InputError(f"The BOLD below {path} is there more than once. Choose by space in [scans] and resolution in "
                         f"[scans.bids]: {_listed(options)}.")
    return next(iter(options))


def _listed(counts: dict[SpaceChoice, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return "; ".join(f"{option} ({n} run{'s' if n > 1 else ''})" for option, n in ordered)


def describe_variants(files: Sequence[BidsFile], description: str) -> str:
    """Say that BOLD of the wanted kind is there as single echoes or parts only, and which key selects it; or nothing.

    Parameters
    ----------
    files : sequence of BidsFile
        Of one run, or of all.
    description : str
        Label of ``desc-``.
    """
    images = [file for file in files if file.suffix == "bold" and file.extension in BOLD_EXTENSIONS
              and file.entities.get("desc") == description]  # fmt: skip
    labels = {key: sorted({file.entities[key] for file in images if key in file.entities}) for key in SELECTED}
    there = {key: found for key, found in labels.items() if found}
    if not there:
        return ""
    names = ", ".join(f"{key}-{label}" for key, found in there.items() for label in found)
    key_words = ", ".join(f'{key} = ["{"mag" if "mag" in found else found[0]}"]' for key, found in there.items())
    return (f"the desc-{description} BOLD is there as {names} only, which is taken where it is asked for: set entities "
            f"= {{ {key_words} }} in [scans.bids]")


def _explain_absence(path: Path, files: Sequence[BidsFile], description: str) -> str:
    """Say what a folder without the wanted BOLD is."""
    images = [file for file in files if file.suffix == "bold" and file.extension in BOLD_EXTENSIONS]
    others = sorted({file.entities.get("desc", "") for file in images} - {description, ""})
    variants = describe_variants(images, description)
    if variants:
        return f"In {path} {variants}."
    if others:
        return (f"No desc-{description} BOLD below {path}; there is desc-{', desc-'.join(others)}. Choose by "
                "description in [scans.bids].")
    if any("desc" not in file.entities for file in images):
        inner = path / "derivatives" / "fmriprep"
        where = f" Set path in [scans] to {inner}." if inner.is_dir() else " Set path in [scans] to its derivatives."
        return f"{path} is a raw data set: its BOLD is not preprocessed.{where}"
    transforms = [file for file in files if file.suffix in ("xfm", "boldref") and file.extension != ".json"]
    if transforms:
        return (f"{path} has no preprocessed BOLD, but {len(transforms)} transforms and reference images: it was made "
                "by fMRIPrep with --level minimal (or resampling), which leaves the resampling to others. Run fMRIPrep "
                "again with --level full and --output-spaces MNI152NLin6Asym:res-2; it goes on from what it has.")
    if any(file.suffix == "bold" for file in files):
        return (f"The BOLD below {path} is on surfaces or in CIFTI only. Dense series (.dtseries.nii) can be listed in "
                f"a table of runs (layout = \"table\"), with labels in CIFTI. {MNI_ADVICE}")
    if (path / "fmriprep").is_dir():
        return f"No sub-*/func below {path}, but a folder fmriprep. Set path in [scans] to {path / 'fmriprep'}."
    return (f"No functional file in sub-*/func or sub-*/ses-*/func below {path}. Set path in [scans] to the folder "
            "that holds fMRIPrep's sub-* folders.")
