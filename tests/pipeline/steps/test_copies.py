"""One scan under two people, or twice in one person, is refused by its content."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from making import T_R, make_atlas

from fmri_saliency.errors import InputError
from fmri_saliency.pipeline.steps.copies import check_copies
from fmri_saliency.records import Run


def run(subject: str, number: str = "1") -> Run:
    return Run(subject, "look", Path(f"/scans/{subject}-{number}.nii.gz"), T_R, 40, run=number)


def card(sha256: str) -> dict:
    return {"SourceFiles": [{"uri": "bids:raw:x.nii.gz", "sha256": sha256}, {"uri": "mask", "sha256": "one mask"}]}


def test_equal_scans_are_refused_and_equal_masks_are_not() -> None:
    runs = [run("01"), run("02"), run("02", "2")]
    check_copies(runs, [card("a"), card("b"), card("c")])
    check_copies(runs[:2], [{}, {"SourceFiles": []}])  # series that no files are known of
    with pytest.raises(InputError, match=r"/scans/02-2\.nii\.gz is a copy of /scans/01-1\.nii\.gz: the scans of two p"):
        check_copies(runs, [card("a"), card("b"), card("a")])
    with pytest.raises(InputError, match=r"02-2\.nii\.gz is a copy of /scans/02-1\.nii\.gz: the scans of two runs of"):
        check_copies(runs, [card("a"), card("b"), card("b")])


def test_a_copied_file_ends_the_training(tmp_path: Path, cli: Callable, write_bold: Callable[..., Path]) -> None:
    atlas, rng = make_atlas(), np.random.default_rng(0)
    write_bold(atlas.labels, atlas.affine, "atlas.nii.gz")
    atlas.regions[["index", "name"]].to_csv(tmp_path / "atlas.tsv", sep="\t", index=False)
    lines = ["subject\ttask\tbold"]
    for subject in ("01", "02", "03", "04"):
        for task in ("look", "move"):
            values = 1000 + rng.standard_normal((*atlas.labels.shape, 20))
            write_bold(values.astype(np.float32), atlas.affine, f"{subject}{task}.nii.gz")
            lines.append(f"{subject}\t{task}\t{subject}{task}.nii.gz")
    (tmp_path / "04move.nii.gz").write_bytes((tmp_path / "02look.nii.gz").read_bytes())
    (tmp_path / "runs.tsv").write_text("\n".join(lines) + "\n")
    config = tmp_path / "c.toml"
    config.write_text('[scans]\nlayout = "table"\npath = "runs.tsv"\n[atlas]\nlabels = "atlas.nii.gz"\n'
                      'table = "atlas.tsv"\n[cleaning]\nhigh_pass = 0.0\n[samples]\nunit = "run"\n'
                      '[decoder]\nsplit = "group"\nfolds = 2\n[output]\npath = "out"\nn_jobs = 1\n')
    assert cli("extract", config).code == 0
    done = cli("train", config)
    assert done.code == 2
    assert "04move.nii.gz is a copy of" in done.err
    assert "02look.nii.gz: the scans of two people, sub-02_task-look and sub-04_task-move" in done.err
