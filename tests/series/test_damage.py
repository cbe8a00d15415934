"""Damaged scans: one message that names the file, the other runs go on, exit code 1, and nothing half-written."""

import errno
import gzip
import importlib
import json
import os
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making import T_R, make_atlas

from fmri_saliency.disk import images
from fmri_saliency.disk.texts import hide_places
from fmri_saliency.errors import InputError
from fmri_saliency.records import Run
from fmri_saliency.scans.images import read_bold_header
from fmri_saliency.series import Cleaning, extract_run, series_outputs, work

STEP = importlib.import_module("fmri_saliency.pipeline.steps.extraction")
ATLAS = make_atlas(12, (16, 14, 12))
SHAPE = (*ATLAS.labels.shape, 20)
FRAME = int(np.prod(SHAPE[:3])) * 4
CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
t_r_conflict = "error"
[atlas]
labels = "labels.nii.gz"
table = "labels.tsv"
[cleaning]
high_pass = 0.1
{cleaning}
[output]
path = "results"
n_jobs = {n_jobs}
"""


def noise(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return (100 + 10 * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


def save(path: Path, values: np.ndarray, kind: type = nib.Nifti1Image, t_r: float = T_R, **more: object) -> None:
    image = kind(values, ATLAS.affine, **more)
    if values.ndim > 3:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r, *[1.0] * (values.ndim - 4)))
    if hasattr(image.header, "set_xyzt_units"):
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def plain(folder: Path) -> bytes:
    """Return the bytes of a good uncompressed scan."""
    save(folder / "plain.nii", noise())
    return (folder / "plain.nii").read_bytes()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1)


def changed(folder: Path, *fields: tuple[int, str, object]) -> bytes:
    """Return a good scan with other values in its header, given as offset, format and value."""
    content = bytearray(plain(folder))
    for place, form, value in fields:
        struct.pack_into("<" + form, content, place, value)
    return bytes(content)


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def flipped(content: bytes, place: int) -> bytes:
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


DIM4, DATATYPE, OFFSET, SFORM, SROW, TR = 48, 70, 108, 254, 280, 92
EAGER = "it is not an image: Cannot work out"  # where indexed_gzip is installed, which reads ahead of the header
# each writes what the table calls the scan of the second run, from the folder of the test
FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "truncated gzip": ("b.nii.gz", lambda f: cut(packed(plain(f)), 0.6), r"is damaged: .* at frame \d+ of 20"),
    "gzip without its end": ("b.nii.gz", lambda f: packed(plain(f))[:-3], f"breaks off or is damaged|{EAGER}"),
    "gzip with a wrong checksum": ("b.nii.gz", lambda f: flipped(packed(plain(f)), -6), f"CRC check failed|{EAGER}"),
    "gzip with a wrong byte": ("b.nii.gz", lambda f: flipped(packed(plain(f)), 30_000), f"is damaged|{EAGER}"),
    "gzip with bytes behind": ("b.nii.gz", lambda f: packed(plain(f)) + b"x" * 99, "breaks off or is damaged"),
    "two scans in one gzip": ("b.nii.gz", lambda f: packed(plain(f)) * 2, "holds more frames than the 20"),
    "gzip cut within its header": ("b.nii.gz", lambda f: packed(plain(f))[:60], "it is not an image"),
    "header with more frames": ("b.nii.gz", lambda f: packed(changed(f, (DIM4, "h", 25))), r"at frame 21 of 25"),
    "header with fewer frames": ("b.nii.gz", lambda f: packed(changed(f, (DIM4, "h", 15))), "more frames than the 15"),
    "header with absurd size": ("b.nii.gz", lambda f: packed(changed(f, (42, "h", 32000), (44, "h", 32000))),
                                "compressed bytes can hold"),
    "plain, truncated": ("b.nii", lambda f: cut(plain(f), 0.7), "breaks off, or its header is wrong: .* needs"),
    "plain, more frames in header": ("b.nii", lambda f: changed(f, (DIM4, "h", 25)), "breaks off, or its header"),
    "plain, a frame behind": ("b.nii", lambda f: plain(f) + b"x" * FRAME, "holds more frames than the 20"),
    "plain, header only": ("b.nii", lambda f: plain(f)[:200], "it is not an image"),
    "frames below 0": ("b.nii", lambda f: changed(f, (DIM4, "h", -5)), "every dimension must be at least 1"),
    "no frames": ("b.nii", lambda f: changed(f, (DIM4, "h", 0)), "every dimension must be at least 1"),
    "a side of length 0": ("b.nii.gz", lambda f: packed(changed(f, (42, "h", 0))), "every dimension must be"),
    "nine dimensions": ("b.nii", lambda f: changed(f, (40, "h", 9)), "it is not an image"),
    "unknown type of number": ("b.nii", lambda f: changed(f, (DATATYPE, "h", 9999)), "it is not an image"),
    "offset is NaN": ("b.nii", lambda f: changed(f, (OFFSET, "f", np.nan)), "it is not an image"),
    "offset behind the end": ("b.nii", lambda f: changed(f, (OFFSET, "f", 1e6)), "breaks off, or its header is wrong"),
    "affine with NaN": ("b.nii", lambda f: changed(f, (SFORM, "h", 2), (SROW, "f", np.nan)), "does not place the"),
    "affine that is flat": ("b.nii", lambda f: changed(f, (SFORM, "h", 2), *[(SROW + 4 * i, "f", 0) for i in range(4)]),
                            "does not place the voxels"),
    "wrong magic": ("b.nii", lambda f: changed(f, (344, "4s", b"what")), "it is not an image"),
    "one frame": ("b.nii.gz", lambda f: save(f / "b.nii.gz", noise()[..., :1]), "at least 2 frames .* it has 1"),
    "3D": ("b.nii.gz", lambda f: save(f / "b.nii.gz", noise()[..., 0]), "Expected a 4D image .* it is 3D"),
    "5D": ("b.nii.gz", lambda f: save(f / "b.nii.gz", noise()[..., None]), "Expected a 4D image .* it is 5D"),
    "complex": ("b.nii.gz", lambda f: save(f / "b.nii.gz", noise().astype(np.complex64)), "complex numbers"),
    "colours": ("b.nii.gz", lambda f: save(f / "b.nii.gz", np.zeros(SHAPE, [(c, "u1") for c in "RGB"])), "colours"),
    "repetition time 0": ("b.nii", lambda f: changed(f, (TR, "f", 0)), "The repetition time .* is 0 s"),
    "repetition time NaN": ("b.nii", lambda f: changed(f, (TR, "f", np.nan)), "The repetition time .* is nan s"),
    "repetition time below 0": ("b.nii", lambda f: changed(f, (TR, "f", -2)), "The repetition time .* is -2 s"),
    "empty file": ("b.nii.gz", lambda f: b"", "it is not an image: Empty file"),
    "text": ("b.nii.gz", lambda f: b"subject\ttask\n", "it is not an image: .* not a gzip file"),
    "text in gzip": ("b.nii.gz", lambda f: packed(b"hello" * 500), "it is not an image"),
    "plain under a name of gzip": ("b.nii.gz", plain, "it is not an image: .* not a gzip file"),
    "gzip under a plain name": ("b.nii", lambda f: packed(plain(f)), "it is not an image"),
    "a folder": ("b.nii.gz", lambda f: (f / "b.nii.gz").mkdir(), "it is a folder. Name the file itself"),
    "pair without its header": ("b.img", lambda f: save(f / "b.img", noise(), nib.Nifti1Pair) or
                                (f / "b.hdr").unlink(), "it is not an image"),
    "pair without its voxels": ("b.hdr", lambda f: save(f / "b.img", noise(), nib.Nifti1Pair) or (f / "b.img").unlink(),
                                "it is not an image|cannot be read"),
    "pair with few voxels": ("b.img", lambda f: save(f / "b.img", noise(), nib.Nifti1Pair) or
                             os.truncate(f / "b.img", 5000), "breaks off, or its header is wrong"),
    "all voxels constant": ("b.nii.gz", lambda f: save(f / "b.nii.gz", 0 * noise() + 7), "No region .* is covered"),
    "all voxels NaN": ("b.nii.gz", lambda f: save(f / "b.nii.gz", noise() * np.nan), "No region .* is covered"),
    "NaN somewhere in every voxel": ("b.nii.gz", lambda f: save(f / "b.nii.gz", holed()), "No region .* is covered"),
}  # fmt: skip


def holed() -> np.ndarray:
    values = noise()
    values[..., 11] = np.nan
    return values


def beside(name: str, content: str | bytes | np.ndarray | None, affine: np.ndarray = ATLAS.affine) -> Callable:
    """Return a writer of a good scan, and of a file beside it."""

    def write(folder: Path) -> None:
        save(folder / "b.nii.gz", noise())
        if isinstance(content, np.ndarray):
            nib.save(nib.Nifti1Image(content, affine), folder / name)
        elif content is not None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


ONES = np.ones(SHAPE[:3], dtype=np.uint8)
MOVES = "\t".join(["1"] * 6)
# each: the column that names a file beside the scan (none for the JSON), its name, what it holds, the words
BESIDE: dict[str, tuple[str, str, Callable[[Path], None], str]] = {
    "mask of another shape": ("mask", "m.nii", beside("m.nii", ONES[:3]), "is on another grid"),
    "mask elsewhere": ("mask", "m.nii", beside("m.nii", ONES, np.diag([3.0, 3, 3, 1])), "is on another grid"),
    "mask the other way round": ("mask", "m.nii", beside("m.nii", ONES, np.diag([-1.0, 1, 1, 1]) @ ATLAS.affine),
                                 r"LAS, \(3, 3, 3\) mm from \(9, -8, -7\)\) than .* RAS, \(3, 3, 3\) mm from \(-9,"),
    "mask of text": ("mask", "m.nii", beside("m.nii", "x" * 600), "Expected a brain mask .* it is not an image"),
    "mask of two volumes": ("mask", "m.nii", beside("m.nii", np.stack([ONES, ONES], -1)), "Expected a 3D mask"),
    "mask that breaks off": ("mask", "m.nii", lambda f: (beside("m.nii", ONES)(f), os.truncate(f / "m.nii", 400)),
                             r"m\.nii breaks off"),
    "mask of nothing": ("mask", "m.nii", beside("m.nii", 0 * ONES), "No region .* is covered by .* within its mask"),
    "mask of complex numbers": ("mask", "m.nii", beside("m.nii", ONES.astype(np.complex64)), "complex numbers"),
    "confounds too short": ("confounds", "c.tsv", beside("c.tsv", "a\n" + "1\n" * 19), "have 19 rows; .* has 20"),
    "confounds of binary": ("confounds", "c.tsv", beside("c.tsv", b"\xff\xfe\x00a" * 30), "it is text in UTF-16"),
    "confounds that are empty": ("confounds", "c.tsv", beside("c.tsv", ""), "it is empty"),
    "confounds of words": ("confounds", "c.tsv", beside("c.tsv", "a\n" + "b\n" * 20), "must be numbers"),
    "sidecar with another time": ("", "b.json", beside("b.json", '{"RepetitionTime": 2.0}'), "its sidecar says 2 s"),
    "sidecar with a word": ("", "b.json", beside("b.json", '{"RepetitionTime": "2"}'), "repetition time '2'"),
    "sidecar that is no JSON": ("", "b.json", beside("b.json", "{"), "The sidecar .* is not readable JSON"),
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of a good run and of `bad`, an atlas and a configuration; return the configuration."""
    nib.save(nib.Nifti1Image(ATLAS.labels, ATLAS.affine), tmp_path / "labels.nii.gz")
    ATLAS.regions[["index", "name"]].to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    save(tmp_path / "a.nii.gz", noise() + 1)

    def write(bold: str = "b.nii.gz", column: str = "", beside: str = "", n_jobs: int = 1) -> Path:
        rows = {"subject": ["01", "02"], "task": ["x", "y"], "bold": ["a.nii.gz", bold]}
        table = pd.DataFrame({**rows, **({column: ["", beside]} if column else {})})
        table.to_csv(tmp_path / "runs.tsv", sep="\t", index=False)
        (tmp_path / "table.toml").write_text(CONFIG.format(cleaning="", n_jobs=n_jobs))
        return tmp_path / "table.toml"

    return write


def check(done: object, folder: Path, words: str, path: str, status: tuple[str, ...] = ("failed", "unusable")) -> None:
    """Check one message with the words and the path, the other run, the log, and what lies in the folder."""
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert "1 of 2 runs could not be used" in done.err
    log = pd.read_csv(folder / "results" / "runs.tsv", sep="\t").set_index("run")
    assert log.at["sub-01_task-x", "status"] == "done"
    assert log.at["sub-02_task-y", "status"] in status
    message = log.at["sub-02_task-y", "message"]
    assert path in message
    assert pd.Series([message]).str.contains(words).all(), message
    said = hide_places(done.err, folder.resolve() / "results")  # a table that is shared names no folders
    assert said.count(message) == 1
    written = [p.name for p in (folder / "results").rglob("*") if p.is_file() and ".workflow" not in p.parts]
    assert not [name for name in written if "sub-02" in name or "unfinished" in name]
    own = [name for name in written if "sub-01" in name]
    assert len(own) == 6 + any("_desc-confounds_" in name for name in own)


@pytest.mark.parametrize("case", FILES)
def test_a_damaged_scan(case: str, cli: Callable, study: Callable, tmp_path: Path) -> None:
    name, write, words = FILES[case]
    content = write(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    check(cli("extract", study(name)), tmp_path, words, name)


@pytest.mark.parametrize("case", BESIDE)
def test_damage_beside_the_scan(case: str, cli: Callable, study: Callable, tmp_path: Path) -> None:
    column, name, write, words = BESIDE[case]
    write(tmp_path)
    config = study("b.nii.gz", column, name)
    if column == "confounds":
        config.write_text(config.read_text().replace("high_pass = 0.1", 'high_pass = 0.1\nconfounds = ["all"]'))
        save(tmp_path / "a.nii.gz", noise() + 1)
        (tmp_path / "good.tsv").write_text("a\n" + "".join(f"{i % 3}\n" for i in range(20)))
        table = pd.read_csv(tmp_path / "runs.tsv", sep="\t", dtype=str)
        table.loc[0, "confounds"] = "good.tsv"
        table.to_csv(tmp_path / "runs.tsv", sep="\t", index=False)
    check(cli("extract", config), tmp_path, words, name)


class Stream:
    """A stream that answers with an error of the system after some reads."""

    def __init__(self, stream: object, reads: int, number: int) -> None:
        self.stream, self.left, self.number = stream, reads, number

    def read(self, size: int = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        return self.stream.read(size)

    def write(self, _: bytes) -> int:
        raise NotImplementedError

    def seek(self, *where: int) -> int:
        return self.stream.seek(*where)

    def tell(self) -> int:
        return self.stream.tell()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


@pytest.mark.parametrize(("number", "words"), [(errno.ESTALE, "Stale file handle"), (errno.EIO, "Input/output error")])
def test_a_scan_that_vanishes_half_way(
    number: int, words: str, cli: Callable, study: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "b.nii.gz", noise())
    real = images.gzip_ng.open

    def fail(path: str, mode: str) -> object:
        stream = real(path, mode)
        return Stream(stream, 9, number) if path.endswith("b.nii.gz") else stream

    monkeypatch.setattr(images.gzip_ng, "open", fail)
    words = rf"cannot be read to its end: {words}, at frame \d+ of 20"
    check(cli("extract", study()), tmp_path, words, "b.nii.gz", ("again",))


@pytest.mark.parametrize("moment", ["before it is planned", "before it is read"])
def test_a_scan_that_is_gone_after_it_was_found(
    moment: str, cli: Callable, study: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "b.nii.gz", noise())
    name = "_plan" if moment == "before it is planned" else "run_jobs"
    real = getattr(STEP, name)

    def late(*given: object) -> object:
        (tmp_path / "b.nii.gz").unlink()
        return real(*given)

    monkeypatch.setattr(STEP, name, late)
    check(cli("extract", study()), tmp_path, "cannot be reached now|there is no such file", "b.nii.gz",
          ("again",))


def test_no_right_to_read(cli: Callable, study: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "b.nii.gz", noise())
    if os.geteuid():
        (tmp_path / "b.nii.gz").chmod(0)
    else:  # the superuser may read everything
        real = nib.load

        def refuse(path: Path) -> object:
            if Path(path).name == "b.nii.gz":
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(nib, "load", refuse)
    asked = "cannot be read: Permission denied. Ask for the right"
    check(cli("extract", study()), tmp_path, asked, "b.nii.gz", ("again",))


def test_no_right_to_write_one_run(cli: Callable, study: Callable, tmp_path: Path) -> None:
    save(tmp_path / "b.nii.gz", noise())
    config = study()
    assert cli("extract", config, "--run", "sub-01_task-x").code == 0
    (tmp_path / "results" / "sub-02").write_text("a file where the folder should be")
    done = cli("extract", config)
    (tmp_path / "results" / "sub-02").unlink()
    check(done, tmp_path, "cannot be written to .*sub-02.* Make room there, or choose another", "b.nii.gz", ("again",))


def test_a_full_disk_leaves_whole_files_only(cli: Callable, study: Callable, tmp_path: Path) -> None:
    save(tmp_path / "b.nii.gz", noise())
    config = study()
    assert cli("extract", config).code == 0
    files = [p for p in (tmp_path / "results").rglob("*") if p.is_file() and ".workflow" not in p.parts]
    before = {p: p.read_bytes() for p in files}
    config.write_text(config.read_text().replace("high_pass = 0.1", "high_pass = 0.1\ndetrend = false"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = max(len(content) for path, content in before.items() if path.suffix in (".toml", ".tsv", ".md") and
               path.parent == tmp_path / "results") + 300  # fmt: skip
    assert room < max(len(content) for path, content in before.items() if path.name.endswith("_timeseries.tsv"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))  # series are larger, the tables of runs are not
    try:
        done = cli("extract", config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.code == 1
    assert "No run could be extracted. The first problem: The series of" in done.err
    assert "cannot be written to" in done.err
    after = {p: p.read_bytes() for p in (tmp_path / "results").rglob("*") if p.is_file() and ".workflow" not in p.parts}
    assert not [p for p in after if "sub-0" in p.name or "unfinished" in p.name]
    assert {p.name for p in before} - {p.name for p in after} == {p.name for p in before if p.name.startswith("sub-0")}
    log = pd.read_csv(tmp_path / "results" / "runs.tsv", sep="\t")
    assert log["status"].tolist() == ["again", "again"]
    assert cli("extract", config).code == 0  # with room again, the same command goes on


def test_a_full_disk_at_the_end_still_names_the_failures(
    cli: Callable, study: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "b.nii.gz").write_bytes(cut(packed(plain(tmp_path)), 0.5))
    monkeypatch.setattr(STEP, "write_tsv", full)
    done = cli("extract", study())
    assert done.code == 1
    assert "The tables of runs cannot be written" in done.err
    assert "No space left on device" in done.err
    assert "b.nii.gz breaks off or is damaged" in done.err


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        (MemoryError(), "does not fit into memory", "again"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error. Mend this", "again"),
        (ZeroDivisionError("far below"), "cannot be used: ZeroDivisionError: far below", "failed"),
    ],
)
def test_whatever_happens_to_one_run_the_others_go_on(
    error: Exception, words: str, status: str, cli: Callable, study: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save(tmp_path / "b.nii.gz", noise())
    real = work.extract_with_quality

    def fail(run: Run, *given: object) -> object:
        if run.subject == "02":
            raise error
        return real(run, *given)

    monkeypatch.setattr(work, "extract_with_quality", fail)
    done = cli("extract", study())
    log = pd.read_csv(tmp_path / "results" / "runs.tsv", sep="\t")
    assert (done.code, log["status"].tolist()) == (1, ["done", status])
    assert words in log["message"].iloc[1]
    assert "b.nii.gz" in log["message"].iloc[1]


def test_damage_in_another_process_is_told_alike(cli: Callable, study: Callable, tmp_path: Path) -> None:
    (tmp_path / "b.nii.gz").write_bytes(cut(packed(plain(tmp_path)), 0.6))
    check(cli("extract", study(n_jobs=2)), tmp_path, "breaks off or is damaged", "b.nii.gz")


def test_oddities_that_do_no_harm_are_noted(cli: Callable, study: Callable, tmp_path: Path) -> None:
    (tmp_path / "b.nii").write_bytes(plain(tmp_path) + b"x" * 10)
    (tmp_path / "b.json").write_text('{"RepetitionTime": 2.0}')
    config = study("b.nii")
    config.write_text(config.read_text().replace('"error"', '"warn"'))
    for _ in ("made", "up to date"):
        done = cli("extract", config)
        assert done.code == 0, done.err
        assert "its sidecar says 2 s" in done.err
        log = pd.read_csv(tmp_path / "results" / "runs.tsv", sep="\t").set_index("run")
        assert log.at["sub-02_task-y", "status"] == "done"
        assert "goes on for 10 bytes after its last frame" in log.at["sub-02_task-y", "message"]
    (card,) = (tmp_path / "results" / "sub-02").rglob("*.json")
    assert "goes on for 10 bytes" in json.loads(card.read_text())["Notes"][0]


def test_any_number_of_processes_writes_the_same_files(cli: Callable, study: Callable, tmp_path: Path) -> None:
    save(tmp_path / "b.nii.gz", noise())
    found = []
    for n_jobs in (1, 2, 3):
        assert cli("extract", study(n_jobs=n_jobs)).code == 0
        out = tmp_path / "results"
        files = [p for p in out.rglob("*") if p.is_file() and ".workflow" not in p.parts]
        found.append({str(p.relative_to(out)): p.read_bytes() for p in files})
        found[-1].pop("config.toml")
        out.rename(tmp_path / f"results-{n_jobs}")
    assert len([name for name in found[0] if name.startswith("sub-")]) == 12
    assert found[0] == found[1] == found[2]


def test_the_table_of_quality_has_a_row_per_run(cli: Callable, study: Callable, tmp_path: Path) -> None:
    save(tmp_path / "b.nii.gz", noise())
    np.savetxt(tmp_path / "m.txt", np.tile(np.arange(20.0)[:, None], 12))
    assert cli("extract", study("b.nii.gz", "confounds", "m.txt")).code == 0
    table = pd.read_csv(tmp_path / "results" / "quality.tsv", sep="\t").set_index("run")
    assert table.index.tolist() == ["sub-01_task-x", "sub-02_task-y"]
    assert table["frames"].tolist() == [20, 20]
    assert np.isnan(table.at["sub-01_task-x", "fd_mean"])
    assert table.at["sub-02_task-y", "fd_mean"] == pytest.approx(3 + 150 * np.deg2rad(1), abs=1e-6)
    assert table["mean_coverage"].tolist() == [1, 1]


def test_files_that_changed_since_they_were_found(tmp_path: Path) -> None:
    save(tmp_path / "b.nii.gz", noise())
    run = Run("02", "y", tmp_path / "b.nii.gz", T_R, 20)
    save(tmp_path / "b.nii.gz", noise()[..., :9])
    with pytest.raises(InputError, match=r"Expected a 4D image of 20 frames .* Has the file changed"):
        extract_run(run, ATLAS, Cleaning(high_pass=0.1))


def test_the_header_of_a_good_scan_is_good(tmp_path: Path) -> None:
    for name, kind in (("a.nii", nib.Nifti1Image), ("b.nii.gz", nib.Nifti2Image), ("c.img", nib.Spm2AnalyzeImage)):
        save(tmp_path / name, noise(), kind)
        assert read_bold_header(tmp_path / name) == (20, T_R, T_R)
    assert len(series_outputs(tmp_path / "x_stat-mean_timeseries")) == 5
