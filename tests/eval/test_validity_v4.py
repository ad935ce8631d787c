"""What else a level of version 4 may be; its rules are broken one by one in test_validity."""

from __future__ import annotations

from pathlib import Path

from level_kit import Kit, KitV4, v4

from saberlm.eval.validity import validate_level


def test_version_4_0_is_valid(tmp_path: Path) -> None:
    kit = KitV4()
    kit.v4.pop("njsEvents")
    kit.v4.pop("njsEventData")
    rows = {"spawnRotations": [{"b": 1, "i": 0}], "spawnRotationsData": [{"t": 0, "r": 15}]}
    kit.v4 |= {"version": "4.0.0", **rows}
    kit.info["version"] = "4.0.0"
    (scheme,) = kit.info["colorSchemes"]
    scheme["useOverride"] = scheme.pop("overrideNotes")
    scheme.pop("overrideLights")
    assert validate_level(kit.folder(tmp_path / "level")) == ()


def test_a_lightshow_that_no_version_4_file_uses_is_ignored(tmp_path: Path) -> None:
    kit = KitV4()
    kit.v4 = kit.v3
    kit.lights = {}
    assert validate_level(kit.folder(tmp_path / "level")) == ()


def test_version_4_beside_info_2_is_judged_and_warned_of(tmp_path: Path) -> None:
    found = validate_level(Kit(v3=v4()).folder(tmp_path / "level"))
    assert {(one.rule, one.severity) for one in found} == {("version.mixed", "warning")}
