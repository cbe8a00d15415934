"""Programs that tests look at results with: used where they are, asked for where they must be."""

from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_program_that_is_absent_skips_unless_it_is_asked_for(
    need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FSLEYES", str(tmp_path / "fsleyes"))
    monkeypatch.delenv("FMRI_SALIENCY_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="fsleyes is not there"):
        need("fsleyes")
    monkeypatch.setenv("FMRI_SALIENCY_REQUIRE", "browser,fsleyes")
    with pytest.raises(pytest.fail.Exception, match="FMRI_SALIENCY_REQUIRE asks for it"):
        need("fsleyes")
    (tmp_path / "fsleyes").touch(0o755)
    assert need("fsleyes") == str(tmp_path / "fsleyes")
