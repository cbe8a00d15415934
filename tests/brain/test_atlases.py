"""Atlases: the embedded one, one's own, and what is refused."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from fmri_saliency.brain import check_space, extend_grid, load_atlas, load_label_atlas, resample_atlas
from fmri_saliency.errors import AtlasError, CoverageWarning, InputError, SpaceMismatchWarning
from fmri_saliency.records import Atlas


def save(tmp_path: Path, labels: np.ndarray, rows: str = "index\tname\n1\ta\n2\tb\n") -> tuple[Path, Path]:
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "labels.nii.gz")
    (tmp_path / "labels.tsv").write_text(rows)
    return tmp_path / "labels.nii.gz", tmp_path / "labels.tsv"


def two_labels(kind: type = np.int16) -> np.ndarray:
    labels = np.zeros((4, 4, 4), dtype=kind)
    labels[:2], labels[3] = 1, 2
    return labels


def test_the_embedded_atlas_is_symmetric_and_says_where_its_parcels_are() -> None:
    atlas = load_atlas("compact")
    assert (atlas.n_regions, atlas.space, atlas.licence) == (100, "MNI152NLin2009aSym", "BSD-3-Clause")
    mirrored = atlas.labels[::-1]
    left = (atlas.labels > 0) & (atlas.labels <= 50)
    assert np.array_equal(mirrored[left], atlas.labels[left] + 50)
    table = atlas.regions
    assert (table["x"][:50] < 0).all()
    assert (table["hemisphere"] == ["L"] * 50 + ["R"] * 50).all()
    np.testing.assert_allclose(table["x"][:50], -table["x"][50:].to_numpy())
    assert table["name"].is_unique
    assert table["color"].str.fullmatch("#[0-9a-f]{6}").all()
    for row in table.iloc[[0, 60]].itertuples():
        places = nib.affines.apply_affine(atlas.affine, np.argwhere(atlas.labels == row.index))
        np.testing.assert_allclose(places.mean(axis=0), [row.x, row.y, row.z], atol=0.06)
        assert len(places) * 0.008 == pytest.approx(row.volume_ml, abs=0.01)


def test_ones_own_atlas(tmp_path: Path) -> None:
    atlas = load_atlas(labels=save(tmp_path, two_labels())[0], table=tmp_path / "labels.tsv", space="MNI152NLin6Asym")
    assert (atlas.name, atlas.names, atlas.space) == ("Custom", ("a", "b"), "MNI152NLin6Asym")
    assert atlas.regions[["x", "y", "z"]].to_numpy().tolist() == [[0.5, 1.5, 1.5], [3.0, 1.5, 1.5]]
    assert load_atlas("Mine", *save(tmp_path, two_labels())).name == "Mine"


def test_a_grid_is_extended_until_it_holds_the_regions_by_hand(tmp_path: Path) -> None:
    labels = np.zeros((6, 4, 4), dtype=np.int16)
    labels[1, 1, 1], labels[5, 2, 2] = 1, 2
    atlas = load_label_atlas(*save(tmp_path, labels))
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = 0.6  # middles at 0.6, 2.6, 4.6 mm: a, at 1 mm, lies in voxel 0; b, at 5, 2, 2 mm, in 2, 1, 1
    for shape in ((3, 2, 2), (4, 5, 6)):
        moved, found = extend_grid(atlas, ["a", "b"], affine, shape)
        assert (moved.tolist(), found) == (affine.tolist(), shape)
    assert extend_grid(atlas, ["a", "b"], affine, (2, 2, 1))[1] == (3, 2, 2)
    assert extend_grid(atlas, ["a"], affine, (2, 2, 1))[1] == (2, 2, 1)
    far = affine.copy()
    far[:3, 3] = [4.6, 0.6, 4.6]  # the grid begins behind region a: two voxels along x and z are missing
    moved, shape = extend_grid(atlas, ["a", "b"], far, (2, 2, 2))
    assert (moved[:3, 3].round(6).tolist(), shape) == ([0.6, 0.6, 0.6], (4, 2, 4))
    flipped = np.diag([-2.0, 2, 2, 1])
    flipped[:3, 3] = [2.6, 0.6, 0.6]  # voxels at 2.6 and 0.6 mm: the one at 4.6 comes before them
    moved, shape = extend_grid(atlas, ["b"], flipped, (2, 2, 2))
    assert (round(float(moved[0, 3]), 6), shape) == (4.6, (3, 2, 2))
    assert extend_grid(atlas, [], far, (2, 2, 2))[1] == (2, 2, 2)
    away = affine.copy()
    away[:3, 3] = 3000.6  # a grid three metres off would hold a billion voxels if it were extended: it is moved
    moved, shape = extend_grid(atlas, ["a", "b"], away, (2, 2, 2))
    assert (moved[:3, 3].round(6).tolist(), shape) == ([0.6, 0.6, 0.6], (3, 2, 2))


def test_labels_above_255_and_as_floats_survive(tmp_path: Path) -> None:
    labels = two_labels(np.float32) * 300
    atlas = load_label_atlas(*save(tmp_path, labels, "index\tname\n300\ta\n600\tb\n"))
    assert set(np.unique(atlas.labels)) == {0, 300, 600}


@pytest.mark.parametrize(
    ("labels", "rows", "words"),
    [
        (two_labels(), "index\tname\n1\ta\n", r"holds label 2, which .* does not name"),
        (two_labels(), "index\tname\n8\ta\n7\tc\n", r"holds label 1, which .* does not name \(2 such"),
        (np.zeros((2, 2, 2), np.int16), "index\tname\n1\ta\n", "holds none of the 1 labels"),
        (two_labels(), "index\tname\n1\ta\n2\t\n", "needs a name; .* has none for index 2"),
        (two_labels(np.uint8), "index\tname\n1\ta\n300\tb\n", "stored as uint8, which ends at 255"),
        (two_labels(np.int8), "index\tname\n1\ta\n128\tb\n", "stored as int8, which ends at 127"),
        (two_labels(), "index\tname\n1\ta\n2\ta\n", "Every name must be unique; 'a' occurs twice"),
        (two_labels(), "index\tname\n1\ta\n1\tb\n", "Every index must be unique"),
        (two_labels(), "label\tname\n1\ta\n", "'index' is missing. It has: label, name"),
        (two_labels(), "index\tname\none\ta\n", "must hold whole numbers"),
        (two_labels(), "index\tname\n0\tbackground\n", "names no region"),
        (two_labels(np.float32) + 0.5, "index\tname\n1\ta\n", "whole numbers of at least 0"),
        (np.zeros((2, 2, 2, 3), np.int16), "index\tname\n1\ta\n", r"belongs in \[atlas\] maps"),
    ],
)
def test_one_message_for_each_wrong_atlas(tmp_path: Path, labels: np.ndarray, rows: str, words: str) -> None:
    with pytest.raises(AtlasError, match=words):
        load_label_atlas(*save(tmp_path, labels, rows))


def test_missing_files_and_names(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="there is no such file"):
        load_label_atlas(tmp_path / "none.nii.gz", tmp_path / "none.tsv")
    (tmp_path / "text.nii.gz").write_text("x")
    with pytest.raises(AtlasError, match="it is not an image"):
        load_label_atlas(tmp_path / "text.nii.gz", tmp_path / "none.tsv")
    image, _ = save(tmp_path, two_labels())
    with pytest.raises(InputError, match="the region table of the atlas"):
        load_label_atlas(image, tmp_path / "none.tsv")
    with pytest.raises(AtlasError, match=r"set \[atlas\] table"):
        load_atlas(labels=image)
    with pytest.raises(AtlasError, match="Did you mean 'Compact'"):
        load_atlas("Compakt")


def test_resampling_is_nearest_and_keeps_every_row(atlas: Atlas) -> None:
    assert resample_atlas(atlas, atlas.affine, atlas.labels.shape) is atlas
    fine = atlas.affine.copy()
    fine[:3, :3] /= 2
    fine[:3, 3] -= 0.75  # so that two fine voxels share each coarse one
    doubled = resample_atlas(atlas, fine, tuple(2 * n for n in atlas.labels.shape))
    inside = (slice(1, -1),) * 3  # the outermost voxels lie beyond the centres of the coarse ones
    assert np.array_equal(doubled.labels[inside], atlas.labels.repeat(2, 0).repeat(2, 1).repeat(2, 2)[inside])
    with pytest.warns(CoverageWarning, match="of 6 regions of the atlas Blocks have no voxel on .* 30 x 30 x 30 mm: r"):
        coarse = resample_atlas(atlas, np.diag([30.0, 30, 30, 1]), (2, 2, 2))
    assert coarse.n_regions == atlas.n_regions
    assert set(np.unique(coarse.labels)) <= {0, *atlas.regions["index"]}


def test_spaces_are_compared_and_never_mixed_in_silence(atlas: Atlas) -> None:
    here = replace(atlas, space="MNI152NLin6Asym")
    assert check_space(here, "MNI152NLin6Asym") == "Atlas and scans are both in MNI152NLin6Asym."
    with pytest.warns(SpaceMismatchWarning, match="MNI152NLin6Asym, the scans are in MNI152NLin2009cAsym"):
        check_space(here, "MNI152NLin2009cAsym")
    with pytest.warns(SpaceMismatchWarning, match="template space of the scans is not stated"):
        check_space(here, "")
    assert "one grid" in check_space(atlas, "", same_grid=True)
    with pytest.raises(AtlasError, match="the scans are in T1w: a parcel would read the wrong place"):
        check_space(here, "T1w")


def test_the_table_keeps_more_columns(tmp_path: Path) -> None:
    paths = save(tmp_path, two_labels(), "index\tname\tnetwork\n1\ta\tVis\n2\tb\tn/a\n")
    network = load_label_atlas(*paths).regions["network"]
    assert network[0] == "Vis"
    assert pd.isna(network[1])


def test_schaefer_stands_in_for_a_download(real_data: object) -> None:
    folder = real_data("schaefer2018")
    for n in (100, 200, 400):
        stem = folder / f"Schaefer2018_{n}Parcels_7Networks"
        atlas = load_label_atlas(
            Path(f"{stem}_order_FSLMNI152_2mm.nii.gz"), Path(f"{stem}_labels.tsv"), "Schaefer2018", "MNI152NLin6Asym"
        )
        assert atlas.n_regions == n
        assert (atlas.regions["hemisphere"].str.startswith("L") == (atlas.regions["x"] < 0)).all()


def test_cohorts_of_a_template_are_different_spaces(atlas: Atlas) -> None:
    first = replace(atlas, space="MNIInfant:cohort-1")
    assert check_space(first, "MNIInfant+1") == "Atlas and scans are both in MNIInfant+1."
    with pytest.raises(AtlasError, match=r"is in MNIInfant:cohort-1, the scans are in MNIInfant:cohort-2"):
        check_space(first, "MNIInfant:cohort-2")
    for one, space, which in ((first, "MNIInfant", "the scans"), (replace(atlas, space="MNIInfant"),
                                                                  "MNIInfant:cohort-1", "the atlas")):  # fmt: skip
        with pytest.warns(SpaceMismatchWarning, match=f"the cohort of {which} is not stated"):
            check_space(one, space)
