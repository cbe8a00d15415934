"""What lies beside the maps for FSLeyes: the script that opens them, and pictures that FSLeyes itself draws."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from making import make_atlas
from matplotlib.image import imread

from fmri_saliency.brain import project_labels, save_map
from fmri_saliency.disk.files import write_text
from fmri_saliency.pipeline.steps.fsleyes_view import write_view
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.records import Atlas, Saliency

SHAPE = (20, 16, 5)
N_REGIONS = 12
FLAT = ("--size", "200", "160", "--hidex", "--hidey", "--hideLabels", "--zcentre", "0", "0",
        "--voxelLoc", "9", "7", "2")  # fmt: skip
"""One axial slice, ten pixels a voxel."""


@pytest.fixture
def blocks() -> Atlas:
    return make_atlas(N_REGIONS, SHAPE)


@pytest.fixture
def classes() -> Saliency:
    values = np.random.default_rng(0).standard_normal((2, 6, N_REGIONS)).astype(np.float32)
    values[0, 4] *= 10
    names = tuple(f"r{i}" for i in range(1, N_REGIONS + 1))
    return Saliency(values, ("it's a", "b"), 0.72, names, "gradient", "logit", "none", "logit", 0, (1, 1))


def write_maps(root: Path, classes: Saliency, atlas: Atlas) -> Path:
    """Write maps as the step explain does, and what FSLeyes needs; return the folder."""
    Workspace(root).begin()
    for label, values in zip(classes.labels, classes.values, strict=True):
        card = {"Class": label, "Units": "logit"}
        stem = f"task-{label[-1]}_atlas-Blocks_stat-"
        save_map(project_labels(values, atlas, 0.72), root / "group" / f"{stem}saliency_boldmap.nii.gz", card)
        save_map(project_labels(values.mean(0), atlas), root / "group" / f"{stem}saliencymean_boldmap.nii.gz", card)
        peak = np.abs(values).argmax(axis=0) * 0.72
        times = project_labels(peak, atlas)
        save_map(times, root / "group" / f"{stem}peaktime_boldmap.nii.gz", {"Class": label, "Units": "s"})
    write_view(root, classes, atlas)
    return root


@pytest.fixture
def folder(tmp_path: Path, classes: Saliency, blocks: Atlas) -> Path:
    """Return a folder whose name a shell would take apart."""
    return write_maps(tmp_path / "re sults' $(x)", classes, blocks)


@pytest.fixture
def heard(tmp_path: Path) -> Callable[..., list[str]]:
    """Call ``view.sh`` with a program in place of FSLeyes that writes down what it is told."""
    program = tmp_path / "pro gram"
    write_text(program, f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/words"\n')
    program.chmod(0o755)

    def call(folder: Path, *words: object) -> list[str]:
        environment = {**os.environ, "FSLEYES": "./pro gram", "FSLDIR": ""}
        subprocess.run([folder / "view.sh", *words], env=environment, cwd=tmp_path, check=True)
        return (tmp_path / "words").read_text().splitlines()

    return call


def test_the_script_shows_means_a_class_regions_or_a_file(folder: Path, heard: Callable, classes: Saliency) -> None:
    words = heard(folder)
    assert [w for w in words if w.startswith("group/")] == [  # the last is on top, and the only one switched on
        "group/task-b_atlas-Blocks_stat-saliencymean_boldmap.nii.gz",
        "group/task-a_atlas-Blocks_stat-saliencymean_boldmap.nii.gz",
    ]
    assert words.count("--disabled") == 1
    words = heard(folder, "it's a")
    assert words[words.index("--volume") + 1] == "4"
    low, high = (float(words[i]) for i in (-4, -3))
    assert high == pytest.approx(np.quantile(np.abs(classes.values), 0.99), rel=0.01)
    assert low == pytest.approx(high / 10, rel=0.01)
    assert words[words.index("it's a, peaktime") + 1 :][:2] == ["--cmap", "fsleyes/time.cmap"]
    assert heard(folder, "--atlas")[-2:] == ["--lut", "fsleyes/atlas-Blocks_dseg.lut"]
    words = heard(folder, "--render", "a b.png", "one's.nii.gz", "--", "--scene", "lightbox")
    assert words[:3] == ["render", "--outfile", f"{folder.parent}/a b.png"]
    assert words[words.index("--scene") + 1] == "lightbox"
    assert f"{folder.parent}/one's.nii.gz" in words
    assert words.index("--scene") < words.index("fsleyes/atlas-Blocks_dseg.nii.gz")
    named = [word for word in words if word.startswith(("group/", "fsleyes/", "tpl-"))]
    assert all((folder / word).is_file() for word in named)


def test_the_script_says_what_is_wrong(folder: Path) -> None:
    for words, program, code, message in [
        (["c"], "true", 2, "view.sh: there is no class or map 'c'. Classes: it's a, b\n"),
        (["b"], "absent-program", 127, "there is no program 'absent-program'"),
        (["--render"], "true", 2, "a name for the picture"),
    ]:
        done = subprocess.run(["sh", folder / "view.sh", *words], env={**os.environ, "FSLEYES": program},
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    told = subprocess.run([folder / "view.sh", "--help"], capture_output=True, text=True, check=True).stdout
    assert "Classes: it's a, b" in told
    assert "no MNI space: they are shown alone" in told


def test_a_brain_lies_beneath_maps_in_mni_space(
    tmp_path: Path, heard: Callable, classes: Saliency, blocks: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_maps(tmp_path / "out", classes, replace(blocks, space="MNI152NLin6Asym"))
    script = (folder / "view.sh").read_text()
    assert "${FSLDIR:-}/data/standard/MNI152_T1_1mm.nii.gz" in script
    brain = "tpl-MNI152NLin2009aSym/anat/tpl-MNI152NLin2009aSym_res-1_desc-brain_T1w.nii.gz"
    words = heard(folder, "b")
    labels = "tpl-MNI152NLin6Asym/anat/tpl-MNI152NLin6Asym_atlas-Blocks_dseg.nii.gz"
    assert words[words.index(labels) - 3 :][:3] == [brain, "--name", "MNI152"]
    assert (folder / brain).is_file()


def test_what_is_there_is_kept_and_what_is_former_removed(tmp_path: Path, classes: Saliency, blocks: Atlas) -> None:
    atlas = replace(blocks, space="MNI152NLin6Asym")
    folder = write_maps(tmp_path / "out", classes, atlas)
    kept = [*folder.glob("tpl-*/anat/*.nii.gz")]
    assert len(kept) == 2
    times = {path: path.stat().st_mtime_ns for path in kept}
    write_view(folder, classes, atlas)
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    write_view(folder, classes, replace(atlas, name="Other", space=""))
    assert not list(folder.glob("tpl-*/anat/*"))
    assert not list(folder.glob("atlas-*"))
    assert sorted(path.name for path in (folder / "fsleyes").iterdir()) == [
        "atlas-Other.xml", "atlas-Other_dseg.json", "atlas-Other_dseg.lut", "atlas-Other_dseg.nii.gz",
        "atlas-Other_dseg.tsv", "negative.cmap", "positive.cmap", "time.cmap",
    ]  # fmt: skip
    write_view(folder, classes, replace(atlas, grayordinates=object()))
    assert not (folder / "view.sh").exists()
    assert not list((folder / "fsleyes").iterdir())


def test_the_validator_accepts_what_is_written(
    tmp_path: Path, classes: Saliency, blocks: Atlas, need: Callable[[str], str]
) -> None:
    validator = need("validator")
    maps = np.stack([(blocks.labels == i) / 2 for i in range(1, N_REGIONS + 1)], axis=-1).astype(np.float32)
    folder = write_maps(tmp_path / "out", classes, replace(blocks, space="MNI152NLin6Asym", seg="7n", maps=maps))
    assert len(list(folder.glob("tpl-MNI152NLin6Asym/anat/*_atlas-Blocks_seg-7n_*seg.*"))) == 5
    done = subprocess.run([validator, "--json", folder], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert [issue for issue in issues if "tpl-" in issue["location"]] == []


@pytest.fixture(scope="module")
def draw(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., np.ndarray]:
    """Let FSLeyes draw; return the picture as whole numbers 0 to 255, shape (height, width, 3)."""
    program = need("fsleyes")
    home = tmp_path_factory.mktemp("home")
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "FSLDIR")}
    environment |= {"FSLEYES": program, "XDG_CONFIG_HOME": str(home)}

    def render(*words: object) -> np.ndarray:
        words = [program if word == "fsleyes" else word for word in words]
        picture = home / "picture.png"
        picture.unlink(missing_ok=True)
        command = [str(word).replace("PICTURE", str(picture)) for word in words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "warn" not in done.stderr.lower()
        return (255 * imread(picture)[..., :3]).round().astype(int)

    return render


def voxels_of(picture: np.ndarray) -> np.ndarray:
    """Return the colour at the middle of every voxel, shape (x, y, 3): x grows to the left, y upwards."""
    return picture[5::10, 5::10][::-1, ::-1].transpose(1, 0, 2)


@pytest.mark.parametrize("frame", [1, 4])
def test_frames_are_drawn_in_the_colours_of_their_values(
    draw: Callable, folder: Path, classes: Saliency, frame: int
) -> None:
    path = folder / "group" / "task-a_atlas-Blocks_stat-saliency_boldmap.nii.gz"
    colours = [folder / "fsleyes" / f"{kind}.cmap" for kind in ("positive", "negative")]
    picture = draw("fsleyes", "render", "--outfile", "PICTURE", "--hideCursor", *FLAT, path, "--volume", frame,
                   "--cmap", colours[0], "--negativeCmap", colours[1], "--displayRange", 0.2, 15)  # fmt: skip
    values = nib.load(path).get_fdata()[:, :, 2, frame]
    positive, negative = (np.floor(255 * np.loadtxt(one)) for one in colours)
    step = np.clip((np.abs(values) - 0.2) / 14.8 * 256, 0, 255).astype(int)
    wanted = np.where(values[..., None] > 0, positive[step], negative[step])
    wanted[np.abs(values) <= 0.2] = 0
    assert len(np.unique(wanted.reshape(-1, 3), axis=0)) > 5
    assert np.abs(voxels_of(picture) - wanted).max() <= 3  # a step of 256 more or less


def test_labels_have_the_colours_of_the_table(draw: Callable, folder: Path, blocks: Atlas) -> None:
    table = np.loadtxt(folder / "fsleyes" / "atlas-Blocks_dseg.lut", usecols=range(4))
    wanted = np.zeros((N_REGIONS + 1, 3))
    wanted[table[:, 0].astype(int)] = np.floor(255 * table[:, 1:])
    picture = draw("fsleyes", "render", "--outfile", "PICTURE", "--hideCursor", *FLAT,
                   folder / "fsleyes" / "atlas-Blocks_dseg.nii.gz", "--overlayType", "label",
                   "--lut", folder / "fsleyes" / "atlas-Blocks_dseg.lut")  # fmt: skip
    assert len(np.unique(blocks.labels[:, :, 2])) >= 3
    np.testing.assert_array_equal(voxels_of(picture), wanted[blocks.labels[:, :, 2]])


def test_the_script_draws_a_class_on_the_brain_wherever_the_folder_lies(
    draw: Callable, tmp_path: Path, classes: Saliency
) -> None:
    affine = np.diag([8.0, 8.0, 14.0, 1.0])
    affine[:3, 3] = (-76, -70, -30)
    atlas = replace(make_atlas(N_REGIONS, SHAPE, "MNI152NLin2009cAsym"), affine=affine)
    folder = write_maps(tmp_path / "out", classes, atlas).rename(tmp_path / "moved 'away'")
    picture = draw(folder / "view.sh", "--render", "PICTURE", "it's a")
    assert picture.shape == (450, 1200, 3)
    brain = picture[110:]  # below the bar of colours
    grey = (np.ptp(brain, axis=2) == 0) & (brain[..., 0] > 60) & (brain[..., 0] < 250)
    blue, orange = (brain[..., 2] > brain[..., 0] + 30), (brain[..., 0] > brain[..., 2] + 30)
    assert min(grey.sum(), orange.sum(), blue.sum()) > 500
