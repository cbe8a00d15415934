"""Atlases of grayordinates, and maps written back, by hand and as Connectome Workbench reads them."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from making_cifti import LABELS, NAMES, models, rewrite, write_labels, write_series
from nibabel.cifti2 import BrainModelAxis

from fmri_saliency.brain import load_grayordinate_atlas, match_grayordinates, save_grayordinates
from fmri_saliency.errors import AtlasError, CoverageWarning, InputError
from fmri_saliency.records import Atlas


@pytest.fixture
def atlas(tmp_path: Path) -> Atlas:
    return load_grayordinate_atlas(write_labels(tmp_path / "a.dlabel.nii"), "Small", "fsLR")


def test_an_atlas_has_the_names_colours_and_hemispheres_of_its_file(atlas: Atlas) -> None:
    assert atlas.names == tuple(NAMES.values())
    assert atlas.regions["hemisphere"].tolist() == ["L", "L", ""]  # the third lies on both sides
    assert atlas.regions["color"].tolist() == ["#ff0000", "#00ff00", "#0000ff"]
    assert atlas.labels.shape == (10, 1, 1)
    assert atlas.grayordinates == models()
    assert atlas.entities == {"space": "fsLR", "atlas": "Small"}


def test_the_same_labels_of_other_grayordinates_are_another_atlas(atlas: Atlas) -> None:
    turned = models()[np.array([1, 0, *range(2, 10)])]
    assert replace(atlas).fingerprint == atlas.fingerprint
    assert replace(atlas, grayordinates=turned).fingerprint != atlas.fingerprint


def test_maps_over_time_by_hand(atlas: Atlas, tmp_path: Path) -> None:
    values = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, np.nan]])
    save_grayordinates(values, atlas, tmp_path / "m.ptseries.nii", 0.72, 1.5)
    parcels = nib.load(tmp_path / "m.ptseries.nii")
    np.testing.assert_array_equal(parcels.get_fdata(), values)
    rows, columns = (parcels.header.get_axis(number) for number in range(2))
    assert (rows.start, rows.step, rows.unit) == (1.5, 0.72, "SECOND")
    assert columns.name.tolist() == list(NAMES.values())
    assert columns.vertices[0]["CIFTI_STRUCTURE_CORTEX_LEFT"].tolist() == [0, 2]
    assert len(columns.voxels[2]) == 2
    save_grayordinates(values, atlas, tmp_path / "m.dtseries.nii", 0.72, 1.5)
    dense = nib.load(tmp_path / "m.dtseries.nii")
    assert dense.header.get_axis(1) == models()
    np.testing.assert_array_equal(dense.get_fdata()[0], [1, 1, -2, -2, -2, 0, 3, 3, 3, 3])
    assert np.isnan(dense.get_fdata()[1, 6:]).all()


def test_one_value_per_region(atlas: Atlas, tmp_path: Path) -> None:
    save_grayordinates(np.array([1.0, 2.0, 3.0]), atlas, tmp_path / "m.dscalar.nii", title="mean")
    dense = nib.load(tmp_path / "m.dscalar.nii")
    assert dense.get_fdata()[0].tolist() == [1, 1, 2, 2, 2, 0, 3, 3, 3, 3]
    assert dense.header.get_axis(0).name.tolist() == ["mean"]
    save_grayordinates(np.array([1.0, 2.0, 3.0]), atlas, tmp_path / "m.pscalar.nii")
    assert nib.load(tmp_path / "m.pscalar.nii").get_fdata().tolist() == [[1, 2, 3]]


def test_workbench_reads_the_time_and_the_parcels(atlas: Atlas, tmp_path: Path, need: Callable[[str], str]) -> None:
    workbench = need("workbench")
    values = np.arange(12.0).reshape(4, 3)
    for ending in ("ptseries", "dtseries"):
        path = tmp_path / f"m.{ending}.nii"
        save_grayordinates(values, atlas, path, 0.72, 1.5)
        done = subprocess.run([workbench, "-file-information", path], capture_output=True, text=True, check=True)
        lines = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in done.stdout.splitlines())}
        assert lines["Number of Maps"] == "4"
        assert float(lines["Map Interval Step"]) == pytest.approx(0.72)
        assert "SECOND" in lines["Map Interval Units"].upper() or lines["Map Interval Units"].endswith("SEC")


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        (np.ones(2), "m.pscalar.nii", r"with 3 regions of atlas 'Small'; \(2,\) came"),
        (np.ones((2, 3)), "m.pscalar.nii", "Values over time cannot be written as"),
        (np.ones(3), "m.ptseries.nii", r"must end in \.pscalar\.nii or \.dscalar\.nii"),
        (np.ones((2, 3)), "m.ptseries.nii", "needs t_r"),
    ],
)
def test_what_cannot_be_written_is_refused(
    atlas: Atlas, tmp_path: Path, values: np.ndarray, name: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        save_grayordinates(values, atlas, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_what_is_no_atlas_is_refused(tmp_path: Path) -> None:
    series = write_series(tmp_path / "x.dtseries.nii", np.ones((3, 10)))
    with pytest.raises(AtlasError, match="it holds SeriesAxis"):
        load_grayordinate_atlas(series)
    twice = write_labels(tmp_path / "b.dlabel.nii", names={1: "same", 2: "same", 3: "other"})
    with pytest.raises(AtlasError, match="'same' occurs twice"):
        load_grayordinate_atlas(twice)
    with pytest.raises(AtlasError, match="holds label 3, which its own table does not name"):
        load_grayordinate_atlas(write_labels(tmp_path / "c.dlabel.nii", names={1: "one", 2: "two"}))
    with pytest.raises(AtlasError, match="holds no label but the background"):
        load_grayordinate_atlas(write_labels(tmp_path / "d.dlabel.nii", 0 * LABELS))
    turned = write_labels(tmp_path / "f.dlabel.nii", names={1: "R_visual", 2: "L_motor", 3: "other"})
    with pytest.raises(AtlasError, match=r"1 regions lie in the other hemisphere .*'R_visual' in L"):
        load_grayordinate_atlas(turned)
    with pytest.raises(AtlasError, match="Labels must be whole numbers"):
        load_grayordinate_atlas(write_labels(tmp_path / "g.dlabel.nii", LABELS + 0.5))
    with pytest.raises(AtlasError, match="Labels must be whole numbers of at least 0"):
        load_grayordinate_atlas(write_labels(tmp_path / "h.dlabel.nii", -LABELS))
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), tmp_path / "e.nii")
    with pytest.raises(AtlasError, match="it holds voxels"):
        load_grayordinate_atlas(tmp_path / "e.nii")


def surface(vertices: list[int], side: str = "LEFT", mesh: int = 9) -> BrainModelAxis:
    return BrainModelAxis.from_surface(vertices, mesh, f"CIFTI_STRUCTURE_CORTEX_{side}")


def test_labels_of_the_cortex_fit_a_whole_series_by_vertex(tmp_path: Path) -> None:
    # right before left, other vertices and another order than models() has: 0, 2, 3, 5, 7 left and 1, 4, 6 right
    axis = surface([4, 5, 6, 8], "RIGHT") + surface([7, 5, 3, 1])
    keys = np.array([3, 3, 3, 3, 2, 2, 1, 1])
    cortex = load_grayordinate_atlas(write_labels(tmp_path / "c.dlabel.nii", keys, axis=axis))
    assert cortex.labels.shape == (8, 1, 1)
    found = match_grayordinates(cortex, models(), "x")
    #                                        left: 0  2  3  5  7; right: 1  4  6; two voxels of the thalamus
    assert found.labels[:, 0, 0].tolist() == [0, 0, 1, 2, 2, 0, 3, 3, 0, 0]
    assert found.grayordinates == models()
    assert found.names == cortex.names
    assert match_grayordinates(found, models(), "x") is found


def test_voxels_are_matched_by_their_place(atlas: Atlas) -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1:] = True  # the second of the atlas's two voxels, and one that it does not have
    thalamus = BrainModelAxis.from_mask(mask, "CIFTI_STRUCTURE_THALAMUS_LEFT", np.diag([2.0, 2, 2, 1]))
    with pytest.warns(CoverageWarning, match="2 of 3 regions of the atlas Small .* L_visual, L_motor"):
        found = match_grayordinates(atlas, surface([1, 2], "RIGHT") + thalamus, "x")
    assert found.labels[:, 0, 0].tolist() == [0, 0, 3, 0]
    assert found.n_regions == 3
    moved = BrainModelAxis.from_mask(mask, "CIFTI_STRUCTURE_THALAMUS_LEFT", np.diag([3.0, 3, 3, 1]))
    with pytest.raises(AtlasError, match=r"THALAMUS_LEFT lies on a grid of \(3, 3, 3\) voxels in the series"):
        match_grayordinates(atlas, moved, "x")


def test_another_mesh_or_nothing_in_common_is_refused(atlas: Atlas) -> None:
    with pytest.raises(AtlasError, match=r"'Small' and s do not fit: .*CORTEX_LEFT has 12 vertices in the series, 9"):
        match_grayordinates(atlas, surface([1, 2], mesh=12), "s")
    with pytest.raises(AtlasError, match="no region in common: the series holds 2 grayordinates in 1 structures"):
        match_grayordinates(atlas, surface([1, 4]), "s")
    with pytest.raises(AtlasError, match="no region in common"):
        match_grayordinates(atlas, BrainModelAxis.from_surface([0], 5, "CIFTI_STRUCTURE_CEREBELLUM"), "s")


@pytest.mark.parametrize("value", ["inf", "nan", "-0.1", "255"])
def test_colours_that_are_none(tmp_path: Path, value: str) -> None:
    path = rewrite(write_labels(tmp_path / "a.dlabel.nii"), 'Red="1" Green="0"', f'Red="1" Green="{value}"')
    with pytest.raises(InputError, match=rf"The colour of label 1 \('L_visual'\) .* from 0 to 1; 1, {value}, 0 came"):
        load_grayordinate_atlas(path)


def test_labels_beyond_what_float32_tells_apart(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"tells whole numbers apart below 16777216; .* holds 16777216"):
        load_grayordinate_atlas(write_labels(tmp_path / "a.dlabel.nii", np.where(LABELS == 3, 2**24, LABELS)))
