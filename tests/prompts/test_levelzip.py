"""A level's folder or zip comes from strangers: what is refused before it is unpacked."""

from pathlib import Path

import pytest
from level_files import FILES, LEVEL, SOUND, hand_level, write_files, zip_files

from saberlm.prompts import levelzip
from saberlm.prompts.mapfile import open_level_files, read_level, write_level


def test_what_is_no_folder_or_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found nothing there: likely a mistyped path"):
        read_level(tmp_path / "nowhere")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(ValueError, match="folder or zip, found File is not a zip file"):
        read_level(tmp_path / "text.zip")
    with pytest.raises(ValueError, match="found no plain file"):
        read_level(Path("/dev/null"))


@pytest.mark.parametrize("name", ["../x.dat", "a/../../x", "/etc/x", "..\\x.dat", "C:/x", "\\x"])
def test_a_zip_with_a_name_outside_it_is_refused(tmp_path: Path, name: str) -> None:
    path = zip_files(tmp_path / "level.zip", hand_level() | {name: "x"})
    with pytest.raises(ValueError, match="expected file names inside the level, found"):
        read_level(path)


def test_zip_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_files(tmp_path / "level.zip", hand_level() | {"zeros": bytes(2**20)})
    read_level(path)
    monkeypatch.setattr(levelzip, "RATIO_FLOOR_BYTES", 2**19)
    with pytest.raises(ValueError, match="compression ratio of at most 200"):
        read_level(path)
    monkeypatch.setattr(levelzip, "MAX_UNPACKED_BYTES", 2**19)
    with pytest.raises(ValueError, match="expected at most 524288 bytes unpacked"):
        read_level(path)
    monkeypatch.setattr(levelzip, "MAX_MEMBERS", 2)
    with pytest.raises(ValueError, match="expected at most 2 files in the zip, found 3"):
        read_level(path)


def test_a_crowded_folder_or_huge_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(tmp_path / "level", hand_level())
    monkeypatch.setattr(levelzip, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(ValueError, match="over the limit of 10"):
        read_level(folder)
    monkeypatch.setattr(levelzip, "MAX_MEMBERS", 1)
    with pytest.raises(ValueError, match="at most 1 files, found more"):
        read_level(folder)


def test_a_damaged_zip_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "level.zip"
    write_level(path, LEVEL.info, LEVEL.difficulties, FILES)
    path.write_bytes(path.read_bytes().replace(SOUND[:100], bytes(100)))
    with pytest.raises(ValueError, match=r"expected to read 'song\.egg', found Bad CRC"):
        open_level_files(path).read("song.egg")
