"""Derivatives of fMRIPrep: what is found, which space is meant, and one message for each thing that can be wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import pytest

from fmri_saliency.errors import ConfigError, InputError, TimingWarning
from fmri_saliency.records import Event, Run
from fmri_saliency.scans import BidsChoice, Scans, find_fmriprep, find_runs
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids

SMALL = BidsSimulation(subjects=("01", "02"), tasks=("look", "move"), shape=(2, 2, 2), n_times=20)
SPACE = "MNI152NLin2009cAsym"
Make = Callable[..., tuple[Path, Path]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a raw data set and its derivatives; return both folders."""

    def write(name: str = "data", **changes: object) -> tuple[Path, Path]:
        raw = tmp_path / name
        return raw, simulate_bids(raw, None, replace(SMALL, **changes))

    return write


def func(root: Path, subject: str = "01") -> Path:
    return root / f"sub-{subject}" / "func"


def bold(out: Path, rest: str = f"task-look_space-{SPACE}_res-2", subject: str = "01") -> Path:
    return func(out, subject) / f"sub-{subject}_{rest}_desc-preproc_bold.nii.gz"


def sidecar(image: Path) -> Path:
    return image.with_name(image.name.replace(".nii.gz", ".json"))


def rewrite_t_r(image: Path, t_r: float) -> None:
    loaded = nib.load(image)
    changed = nib.Nifti1Image(loaded.get_fdata(), loaded.affine, loaded.header)
    changed.header.set_zooms((*changed.header.get_zooms()[:3], t_r))
    nib.save(changed, image)


def rows(log: list[dict]) -> dict[str, tuple[str, str]]:
    return {row["run"]: (row["status"], row["message"]) for row in log}


def test_all_that_belongs_to_a_run_arrives(make: Make) -> None:
    _, out = make(sessions=("a1",), directions=("LR", "RL"), runs=("01",))
    runs, log = find_fmriprep(out)
    assert len(runs) == 2 * 2 * 2
    assert {row["status"] for row in log} == {"found"}
    run = runs[0]
    stem = "sub-01_ses-a1_task-look_dir-LR_run-01"
    folder = out / "sub-01" / "ses-a1" / "func"
    assert run.key == stem
    assert run.bold == folder / f"{stem}_space-{SPACE}_res-2_desc-preproc_bold.nii.gz"
    assert run.mask == folder / f"{stem}_space-{SPACE}_res-2_desc-brain_mask.nii.gz"
    assert run.confounds == folder / f"{stem}_desc-confounds_timeseries.tsv"
    assert (run.t_r, run.header_t_r, run.n_times, run.space) == (2.0, 2.0, 20, SPACE)
    assert run.events == (Event(4.0, 8.0, "left"), Event(16.0, 8.0, "right"), Event(28.0, 8.0, "left"))
    assert [r.bold for r in find_runs(Scans("fmriprep", out)).runs] == [r.bold for r in runs]


def test_people_who_would_be_one_in_names_of_files_are_told_with_both(make: Make) -> None:
    _, out = make(subjects=("a+b", "ab", "c"), tasks=("look",))
    found = find_runs(Scans("fmriprep", out))
    assert [run.subject for run in found.runs] == ["a+b", "c"]
    (row,) = found.log[found.log["status"] == "unusable"].to_dict("records")
    assert row["run"] == "sub-ab_task-look"
    assert "The subjects 'a+b' and 'ab' would have the same file names" in row["message"]


def test_folders_of_any_script_and_names_with_spaces(make: Make) -> None:
    raw, out = make("Donn\u00e9es \u30c7\u30fc\u30bf [1] {x} *")
    runs, _ = find_fmriprep(out, choice=BidsChoice(raw=raw))
    assert len(runs) == 4
    assert all(run.events for run in runs)


def test_several_spaces_must_be_chosen_from(make: Make) -> None:
    spaces = ((SPACE, "1"), (SPACE, "2"), ("MNI152NLin6Asym", ""), ("T1w", ""), ("", ""))
    _, out = make(spaces=spaces)
    with pytest.raises(InputError) as error:
        find_fmriprep(out)
    assert "more than once. Choose by space in [scans] and resolution in [scans.bids]" in str(error.value)
    for space, resolution in ((SPACE, "1"), (SPACE, "2"), ("MNI152NLin6Asym", "native")):
        assert f'space = "{space}", resolution = "{resolution}" (4 runs)' in str(error.value)
    assert "T1w" not in str(error.value)  # of one person: only when it is named
    with pytest.raises(InputError, match=f'"{SPACE}", resolution = "1" .*; .*resolution = "2"'):
        find_fmriprep(out, space=SPACE)
    for resolution in ("2", "02"):
        runs, _ = find_fmriprep(out, space=SPACE, choice=BidsChoice(resolution=resolution))
        assert {run.bold.name.split("_space-")[1] for run in runs} == {f"{SPACE}_res-2_desc-preproc_bold.nii.gz"}
        assert {run.mask.name.split("_space-")[1] for run in runs} == {f"{SPACE}_res-2_desc-brain_mask.nii.gz"}
    for space, name in (("MNI152NLin6Asym", "_space-MNI152NLin6Asym_desc-preproc"), ("T1w", "_space-T1w_desc-preproc"),
                        ("func", "_task-look_desc-preproc")):  # fmt: skip
        runs, _ = find_fmriprep(out, space=space, tasks=["look"])
        assert all(name in run.bold.name and run.space == space for run in runs)
        assert len(runs) == 2


def test_a_space_that_is_not_there_is_told_with_those_that_are(make: Make) -> None:
    _, out = make()
    with pytest.raises(InputError, match=r'"MNI152NLin2009cASym". Did you mean .MNI152NLin2009cAsym.\? There is'):
        find_fmriprep(out, space="MNI152NLin2009cASym")
    with pytest.raises(InputError, match=r'has resolution = "1". There is: .* resolution = "2" \(4 runs\)'):
        find_fmriprep(out, choice=BidsChoice(resolution="1"))
    with pytest.raises(InputError, match=r"there is desc-preproc\. Choose by description"):
        find_fmriprep(out, choice=BidsChoice(description="smoothAROMAnonaggr"))


def test_a_run_in_another_space_only_is_a_row(make: Make) -> None:
    _, out = make()
    for path in func(out, "02").glob("*task-look*_space-*"):
        path.rename(path.with_name(path.name.replace(f"space-{SPACE}_res-2", "space-MNI152NLin6Asym")))
    runs, log = find_fmriprep(out, space=SPACE)
    assert len(runs) == 3
    assert rows(log)["sub-02_task-look"] == (
        "missing", f'No BOLD in space = "{SPACE}", resolution = "2"; there is space = "MNI152NLin6Asym", resolution = '
                   '"native".'
    )  # fmt: skip


def test_only_the_spaces_of_single_people(make: Make) -> None:
    _, out = make(spaces=(("T1w", ""), ("", "")))
    with pytest.raises(InputError, match=r'in no standard space. There is: space = "T1w".*"func".*--output-spaces'):
        find_fmriprep(out)


def test_a_minimal_output_is_recognised(make: Make) -> None:
    _, out = make()
    for image in [p for p in out.rglob("*") if p.is_file() and ("_bold." in p.name or "_timeseries." in p.name)]:
        image.unlink()
    (func(out) / "sub-01_task-look_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt").write_text("x")
    with pytest.raises(InputError, match=r"5 transforms and reference images: .* --level minimal \(or resampling\)"):
        find_fmriprep(out)


def test_folders_that_hold_something_else(make: Make, tmp_path: Path) -> None:
    raw, out = make()
    with pytest.raises(InputError, match=f"is a raw data set: .* Set path in .scans. to {out}"):
        find_fmriprep(raw)
    with pytest.raises(InputError, match="but a folder fmriprep"):
        find_fmriprep(out.parent)
    with pytest.raises(InputError, match="there is no such folder"):
        find_fmriprep(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No functional file in sub"):
        find_fmriprep(tmp_path / "empty")
    for image in out.rglob("*_bold.nii.gz"):
        image.unlink()
    for image in (p for p in out.rglob("*_boldref.*")):
        image.unlink()
    (func(out) / "sub-01_task-look_hemi-L_space-fsaverage5_bold.func.gii").write_text("x")
    with pytest.raises(InputError, match="on surfaces or in CIFTI only"):
        find_fmriprep(out)


def test_the_sidecar_is_held_against_the_header(make: Make) -> None:
    _, out = make()
    rewrite_t_r(bold(out), 1.0)
    runs, log = find_fmriprep(out)
    status, message = rows(log)["sub-01_task-look"]
    assert status == "unusable"
    assert "states a repetition time of 2 s, its header 1 s" in message
    assert "Set t_r in [scans]" in message
    assert len(runs) == 3
    runs, _ = find_fmriprep(out, t_r=2.0)
    assert [(run.t_r, run.header_t_r) for run in runs] == [(2.0, 1.0), (2.0, 2.0), (2.0, 2.0), (2.0, 2.0)]
    rewrite_t_r(bold(out), 0.0)  # a header that says nothing contradicts nothing
    assert len(find_fmriprep(out)[0]) == 4


def test_without_a_sidecar_the_raw_data_set_is_asked_and_then_the_header(make: Make) -> None:
    raw, out = make()
    sidecar(bold(out)).unlink()
    card = raw / "task-look_bold.json"
    card.write_text(json.dumps({"RepetitionTime": 2.5}))
    assert "repetition time of 2.5 s, its header 2 s" in rows(find_fmriprep(out)[1])["sub-01_task-look"][1]
    card.unlink()
    with pytest.warns(TimingWarning, match="No sidecar states the repetition time of .*; its header's 2 s is used"):
        finding = find_runs(Scans("fmriprep", out))
    assert len(finding.runs) == 4
    sidecar(bold(out)).write_text("{}")
    with pytest.warns(TimingWarning, match="No sidecar states"):
        find_fmriprep(out)


@pytest.mark.parametrize(("content", "words"), [('{"RepetitionTime": "2"}', 'must be seconds above 0; "2" came'),
                                                ('{"RepetitionTime": 0}', "above 0; 0 came"),
                                                ('{"RepetitionTime": true}', "above 0; true came"),
                                                ("{", "is not readable JSON")])  # fmt: skip
def test_a_wrong_sidecar_is_a_row(make: Make, content: str, words: str) -> None:
    _, out = make()
    sidecar(bold(out)).write_text(content)
    status, message = rows(find_fmriprep(out)[1])["sub-01_task-look"]
    assert status == "unusable"
    assert words in message


def test_what_a_run_lacks_is_said(make: Make) -> None:
    raw, out = make()
    (func(raw) / "sub-01_task-look_events.tsv").unlink()
    for path in (*func(out).glob("*look*mask.nii.gz"), *func(out).glob("*look*confounds*")):
        path.unlink()
    runs, log = find_fmriprep(out)
    assert (runs[0].mask, runs[0].confounds, runs[0].events) == (None, None, ())
    assert rows(log)["sub-01_task-look"] == ("found", "no events, no brain mask, no confounds")
    assert rows(log)["sub-01_task-move"] == ("found", "")


def test_another_column_says_what_happened(make: Make) -> None:
    raw, out = make()
    (func(raw) / "sub-01_task-look_events.tsv").write_text(
        "onset\tduration\tstim_type\ttrial_type\n3\t1\tface\tn/a\n25\t1\thouse\tn/a\n")
    runs, log = find_fmriprep(out)
    assert runs[0].events == ()
    status, said = rows(log)["sub-01_task-look"]
    path = func(raw) / "sub-01_task-look_events.tsv"
    assert status == "found"
    assert said == (f"The column 'trial_type' of {path} is n/a in all 2 rows. Its columns are onset, duration, "
                    "stim_type, trial_type: name the one that says what happened by event_column in [samples].")
    runs, log = find_fmriprep(out, event_column="stim_type")
    assert [event.trial_type for event in runs[0].events] == ["face", "house"]
    assert rows(log)["sub-01_task-look"] == ("found", "")
    assert "has no column 'stim_type' that says what its" in rows(log)["sub-01_task-move"][1]


def test_events_are_inherited_as_bids_has_it(make: Make) -> None:
    raw, out = make()
    for path in raw.glob("sub-*/func/*task-look_events.tsv"):
        path.unlink()
    header = "onset\tduration\ttrial_type\n"
    (raw / "task-look_events.tsv").write_text(header + "3\t1\tall\n25\t1\tall\n")
    (raw / "sub-02" / "sub-02_task-look_events.tsv").write_text(header + "5\t1\tsecond\n25\t1\tsecond\n")
    found = {run.key: {e.trial_type for e in run.events} for run in find_fmriprep(out)[0]}
    assert found["sub-01_task-look"] == {"all"}
    assert found["sub-02_task-look"] == {"second"}  # the nearer one
    assert found["sub-01_task-move"] == {"left", "right"}


def test_events_beside_the_scans_when_there_is_no_raw_data_set(make: Make, tmp_path: Path) -> None:
    raw, out = make()
    shutil.copytree(out, tmp_path / "alone")
    assert {run.events for run in find_fmriprep(tmp_path / "alone")[0]} == {()}
    shutil.copy(func(raw) / "sub-01_task-look_events.tsv", func(tmp_path / "alone"))
    runs, _ = find_fmriprep(tmp_path / "alone")
    assert [bool(run.events) for run in runs] == [True, False, False, False]
    assert all(run.events for run in find_fmriprep(tmp_path / "alone", choice=BidsChoice(raw=raw))[0])
    with pytest.raises(InputError, match=r"\[scans.bids\] raw\); there is no such folder"):
        find_fmriprep(out, choice=BidsChoice(raw=raw / "none"))


def test_run_numbers_match_with_and_without_zeros(make: Make) -> None:
    _, out = make(runs=("01", "02"))
    for path in [*out.rglob("*_run-0*")]:
        path.rename(path.with_name(path.name.replace("_run-0", "_run-")))
    runs, log = find_fmriprep(out)
    assert [run.run for run in runs[:2]] == ["1", "2"]
    assert all(run.events for run in runs)
    assert {row["status"] for row in log} == {"found"}


def test_runs_that_were_not_preprocessed_are_rows(make: Make) -> None:
    _, out = make()
    shutil.rmtree(out / "sub-02")
    for path in func(out).glob("*task-move*"):
        path.unlink()
    log = rows(find_fmriprep(out)[1])
    missing = {key for key, (status, _) in log.items() if status == "missing"}
    assert missing == {"sub-01_task-move", "sub-02_task-look", "sub-02_task-move"}
    assert "The raw data set has this run (sub-02_task-look_bold.nii.gz)" in log["sub-02_task-look"][1]
    assert set(rows(find_fmriprep(out, tasks=["look"])[1])) == {"sub-01_task-look", "sub-02_task-look"}


def test_tasks_people_and_entities_can_be_chosen(make: Make) -> None:
    _, out = make(sessions=("1", "2"), directions=("AP", "PA"))
    runs, log = find_fmriprep(out, tasks=["LOOK"], subjects=["sub-02"],
                              choice=BidsChoice(entities={"ses": ("2",), "dir": ("PA", "LR")}))
    assert [row["run"] for row in log] == [run.key for run in runs] == ["sub-02_ses-2_task-look_dir-PA"]
    assert rows(find_fmriprep(out, subjects=["02", "99"])[1])["sub-99"][0] == "missing"
    with pytest.raises(InputError, match=r"None of the subjects 1 is in .*; it has 01, 02. Did you mean '01'"):
        find_fmriprep(out, subjects=["1"])
    with pytest.raises(InputError, match=r"None fits \[scans\] tasks"):
        find_runs(Scans("fmriprep", out, tasks=["rest"]))
    with pytest.raises(ConfigError, match=r"must be one of ses, acq, .*; 'session' came"):
        BidsChoice(entities={"session": ("1",)})
    with pytest.raises(ConfigError, match="names no label"):
        BidsChoice(entities={"ses": ()})


def test_two_files_that_claim_one_run_are_refused(make: Make) -> None:
    _, out = make()
    for path in [*func(out).glob("*task-look*")]:
        shutil.copy(path, path.with_name(path.name.replace("task-look", "task-look_rec-norm")))
    runs, log = find_fmriprep(out)
    assert len(runs) == 3
    doubles = [row for row in log if row["status"] == "unusable"]
    assert [row["run"] for row in doubles] == ["sub-01_task-look", "sub-01_task-look_rec-norm"]
    assert "would be one run, sub-01_task-look. Choose one of them by [scans.bids.entities]" in doubles[0]["message"]
    runs, _ = find_fmriprep(out, choice=BidsChoice(entities={"rec": ("norm",)}))
    assert [run.bold.name for run in runs] == [bold(out, f"task-look_rec-norm_space-{SPACE}_res-2").name]
    assert len(find_fmriprep(out, choice=BidsChoice(entities={"rec": ("", "other")}))[0]) == 4
    shutil.copy(bold(out, subject="02"), bold(out, subject="02").with_suffix(""))  # .nii beside .nii.gz
    assert "claim one run" in rows(find_fmriprep(out)[1])["sub-02_task-look"][1]


def test_acquisitions_are_runs_of_their_own(make: Make) -> None:
    _, out = make()
    for path in [*func(out).glob("*task-look*")]:
        shutil.copy(path, path.with_name(path.name.replace("task-look", "task-look_acq-fast")))
    runs, _ = find_fmriprep(out, subjects=["01"])
    assert {run.key for run in runs} == {"sub-01_task-look", "sub-01_task-look_acq-fast", "sub-01_task-move"}


def test_single_echoes_are_left_alone(make: Make) -> None:
    _, out = make()
    shutil.copy(bold(out), bold(out, f"task-look_echo-1_space-{SPACE}_res-2"))
    runs, log = find_fmriprep(out)
    assert (len(runs), {row["status"] for row in log}) == (4, {"found"})
    runs, _ = find_fmriprep(out, choice=BidsChoice(entities={"echo": ("1",)}))
    assert ["_echo-1_" in run.bold.name for run in runs] == [True]
    assert runs[0].mask is not None  # the one of all echoes


def test_old_names_of_the_confounds(make: Make) -> None:
    _, out = make()
    for path in [*out.rglob("*_desc-confounds_timeseries.tsv")]:
        path.rename(path.with_name(path.name.replace("timeseries", "regressors")))
    assert all(run.confounds.name.endswith("_desc-confounds_regressors.tsv") for run in find_fmriprep(out)[0])


def test_files_that_are_no_scans_are_no_runs(make: Make) -> None:
    _, out = make()
    (func(out) / "._sub-01_task-look_desc-preproc_bold.nii.gz").write_text("of another system")
    (func(out) / "notes.txt").write_text("x")
    (out / "sub-01.html").write_text("x")
    (out / "sub-03").mkdir()
    assert len(find_fmriprep(out)[1]) == 4


def test_damaged_and_dangling_scans_are_rows(make: Make) -> None:
    _, out = make()
    bold(out).unlink()
    bold(out).symlink_to(out / ".git" / "annex" / "MD5E.nii.gz")
    bold(out, subject="02").write_bytes(b"x")
    log = rows(find_fmriprep(out)[1])
    assert log["sub-01_task-look"][0] == "missing"
    assert "`datalad get` it" in log["sub-01_task-look"][1]
    assert log["sub-02_task-look"][0] == "unusable"
    assert "is not an image" in log["sub-02_task-look"][1]


def test_events_that_end_after_the_scan_are_said(make: Make) -> None:
    raw, out = make()  # 20 frames of 2 s
    events = func(raw) / "sub-01_task-look_events.tsv"
    events.write_text("onset\tduration\ttrial_type\n4\t8\tleft\n35\t8\tright\n")
    found = find_runs(Scans("fmriprep", out))
    words = "1 of 2 events end after the scan of 40.0 s and are clipped to it ('right' at 35 s by 3.0 s)."
    assert rows(found.log.to_dict("records"))["sub-01_task-look"] == ("found", words)
    assert found.runs[0].events[1] == Event(35.0, 5.0, "right")
    assert f"1 of 4 runs: sub-01_task-look: {words}" in found.notes
    for path in func(out).glob("*confounds*"):
        path.unlink()
    assert find_runs(Scans("fmriprep", out)).log["message"][0] == f"{words} no confounds"


def test_onsets_are_counted_from_what_the_first_frame_stands_for(make: Make) -> None:
    _, out = make()
    plain = find_runs(Scans("fmriprep", out)).runs[0]
    assert (plain.start_time, plain.busy) == (0.0, ((4.0, 12.0), (16.0, 24.0), (28.0, 36.0)))
    card = sidecar(bold(out))
    stated = json.loads(card.read_text())

    def first(slice_timing: str = "apply", **more: object) -> Run:
        card.write_text(json.dumps(stated | more))
        return find_runs(Scans("fmriprep", out, bids=BidsChoice(slice_timing=slice_timing))).runs[0]

    moved = first(SliceTimingCorrected=True, StartTime=0.95)
    assert moved.start_time == 0.95
    assert moved.events == (Event(3.05, 8.0, "left"), Event(15.05, 8.0, "right"), Event(27.05, 8.0, "left"))
    assert moved.busy == ((3.05, 11.05), (15.05, 23.05), (27.05, 35.05))
    half = first(SliceTimingCorrected=True)  # the middle of a frame of 2 s
    assert (half.start_time, half.events[0].onset) == (1.0, 3.0)
    assert first(SliceTimingCorrected=False).start_time == 0.0
    assert first("ignore", SliceTimingCorrected=True, StartTime=0.95) == plain
    first(SliceTimingCorrected=True, StartTime=0.95)
    (note,) = [note for note in find_runs(Scans("fmriprep", out)).notes if "slice timing" in note]
    assert note.startswith("The frames of 1 of 4 runs stand for a later moment")
    assert "0.95 s); onsets are counted from there" in note
    card.write_text(json.dumps(stated | {"StartTime": "soon"}))
    log = find_runs(Scans("fmriprep", out)).log
    assert 'StartTime in' in log["message"][0]
    assert 'must be seconds, at most 10 repetition times of 2 s; "soon" came' in log["message"][0]
    card.write_text(json.dumps(stated | {"StartTime": 950}))  # milliseconds
    assert "of 2 s; 950 came" in find_runs(Scans("fmriprep", out)).log["message"][0]
    with pytest.raises(ConfigError, match="slice_timing in"):
        BidsChoice(slice_timing="middle")


@pytest.mark.parametrize(
    ("entities", "there", "key"),
    [("part-mag", "part-mag", 'part = ["mag"]'), ("echo-2", "echo-2", 'echo = ["2"]'),
     ("echo-1_part-mag", "echo-1, part-mag", 'echo = ["1"], part = ["mag"]')],
)  # fmt: skip
def test_single_echoes_and_parts_are_named_with_the_key_that_selects_them(
    make: Make, entities: str, there: str, key: str
) -> None:
    _, out = make(tasks=("look",))

    def rename(subject: str) -> None:
        for path in list(func(out, subject).glob("*_desc-preproc_bold.*")):
            path.rename(path.with_name(path.name.replace("_space-", f"_{entities}_space-")))

    rename("01")
    runs, log = find_fmriprep(out)
    assert [run.subject for run in runs] == ["02"]
    status, words = rows(log)["sub-01_task-look"]
    assert status == "missing"
    said = f"the desc-preproc BOLD is there as {there} only, which is taken where it is asked for: set entities = "
    assert f"{said}{{ {key} }} in [scans.bids]" in words
    rename("02")
    with pytest.raises(InputError, match=f"In .* the desc-preproc BOLD is there as {there} only"):
        find_fmriprep(out)
    chosen = dict(pair.split("-") for pair in entities.split("_"))
    choice = BidsChoice(entities={name: (label,) for name, label in chosen.items()})
    assert len(find_fmriprep(out, choice=choice)[0]) == 2  # and it does what it says


def test_cohorts_of_a_template_are_spaces(make: Make) -> None:
    _, out = make(tasks=("look",))

    def rename(subject: str, space: str) -> None:
        for path in list(func(out, subject).glob(f"*_space-{SPACE}_*")):
            path.rename(path.with_name(path.name.replace(f"_space-{SPACE}_", f"_space-{space}_")))

    rename("01", "MNIInfant_cohort-1")
    rename("02", "MNIInfant_cohort-1")
    for name in ("", "MNIInfant", "MNIInfant:cohort-1", "MNIInfant+1"):
        assert {run.space for run in find_fmriprep(out, space=name)[0]} == {"MNIInfant:cohort-1"}
    assert all(run.mask for run in find_fmriprep(out)[0])
    for path in list(func(out, "02").glob("*_cohort-1_*")):
        path.rename(path.with_name(path.name.replace("_cohort-1_", "_cohort-2_")))
    for name in ("", "MNIInfant"):
        with pytest.raises(InputError, match=r'there more than once.*"MNIInfant:cohort-1".*"MNIInfant:cohort-2"'):
            find_fmriprep(out, space=name)
    runs, log = find_fmriprep(out, space="MNIInfant:cohort-2")
    assert [run.subject for run in runs] == ["02"]
    assert 'there is space = "MNIInfant:cohort-1"' in rows(log)["sub-01_task-look"][1]
