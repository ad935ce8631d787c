"""bsmap, another program that reads levels, accepts what we write; only where it is installed.

Set ``SABERLM_NODE_MODULES`` to a ``node_modules`` folder that holds bsmap (``npm install bsmap``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from made_levels import levels, rewritten

from saberlm.prompts.beatmap import Level

NODE = shutil.which("node")
MODULES = os.environ.get("SABERLM_NODE_MODULES", "")
SCRIPT = Path(__file__).with_name("bsmap_check.mjs")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not on the PATH"),
    pytest.mark.skipif(
        not (Path(MODULES) / "bsmap" / "package.json").is_file(),
        reason="SABERLM_NODE_MODULES names no folder with bsmap (npm install bsmap)",
    ),
]


def problems_of(*folders: Path) -> dict[str, list[str]]:
    """What bsmap refuses in each level folder."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(SCRIPT)],
        input=json.dumps([str(folder) for folder in folders]),
        env={**os.environ, "SABERLM_NODE_MODULES": MODULES},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(levels(4))
def test_bsmap_takes_every_version(level: Level) -> None:
    with TemporaryDirectory() as root:
        folders = [Path(root) / str(version) for version in (2, 3, 4)]
        for folder, version in zip(folders, (2, 3, 4), strict=True):
            rewritten(level, folder, version)
        assert problems_of(*folders) == {str(folder): [] for folder in folders}


@settings(max_examples=1, deadline=None)
@given(levels(2))
def test_the_check_can_fail(level: Level) -> None:
    with TemporaryDirectory() as root:
        folder = Path(root) / "level"
        rewritten(level, folder, 4)
        info = json.loads((folder / "Info.dat").read_text())
        info["difficultyBeatmaps"][0]["noteJumpMovementSpeed"] = "fast"
        (folder / "Info.dat").write_text(json.dumps(info))
        (found,) = problems_of(folder).values()
        assert len(found) == 1
        assert found[0].startswith("info Info.dat: ")
