"""Strict validity of Info.dat v2.0/2.1 on its raw JSON (`beat-saber.md` 1.1, 1.8).

Rules are those of BeatSaver's upload check; environments are its list of names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from saberlm.eval.fields import Field, check_fields, has_kind, json_name
from saberlm.eval.findings import FindingLog
from saberlm.prompts.beatmap import DIFFICULTY_RANK

MAX_TITLE_AND_MAPPER = 100
"""Characters of title and mapper together that BeatSaver takes."""

_ENVIRONMENT_STEMS = """
Default Triangle Nice BigMirror KDA Monstercat CrabRave Dragons Origins Panic Rocket GreenDay
GreenDayGrenade Timbaland FitBeat LinkinPark BTS Kaleidoscope Interscope Skrillex Billie Halloween
Gaga Halloween2 GlassDesert Multiplayer Weave Pyro EDM TheSecond Lizzo TheWeeknd RockMixtape
Dragons2 Panic2 Queen LinkinPark2 TheRollingStones Lattice DaftPunk HipHop Collider Britney
Monstercat2 Metallica Grid Coldplay Prodigy
"""
ENVIRONMENTS = frozenset(f"{stem}Environment" for stem in _ENVIRONMENT_STEMS.split())
ROTATION_ENVIRONMENT = "GlassDesertEnvironment"
CHARACTERISTICS = frozenset(
    ["Standard", "OneSaber", "NoArrows", "90Degree", "360Degree", "Lightshow", "Lawless"]
)

_FIELDS = (
    Field("_songName", "str"),
    Field("_songSubName", "str"),
    Field("_songAuthorName", "str"),
    Field("_levelAuthorName", "str"),
    Field("_beatsPerMinute", "float", 10, 1000, rule="info.bpm"),
    Field("_songTimeOffset", "float", 0, 0, rule="info.song_offset"),
    Field("_shuffle", "float"),
    Field("_shufflePeriod", "float"),
    Field("_previewStartTime", "float", 0, rule="info.preview"),
    Field("_previewDuration", "float", 0, rule="info.preview"),
    Field("_songFilename", "str"),
    Field("_coverImageFilename", "str"),
    Field("_environmentName", "str"),
    Field("_allDirectionsEnvironmentName", "str", optional=True),
    Field("_environmentNames", "list", optional=True),
    Field("_colorSchemes", "list", optional=True),
    Field("_difficultyBeatmapSets", "list"),
    Field("_customData", "dict", optional=True),
)
_DIFFICULTY_FIELDS = (
    Field("_difficulty", "str"),
    Field("_difficultyRank", "int", choices=(1, 3, 5, 7, 9), rule="info.rank"),
    Field("_beatmapFilename", "str"),
    Field("_noteJumpMovementSpeed", "float", 0, rule="info.njs"),
    Field("_noteJumpStartBeatOffset", "float"),
    Field("_beatmapColorSchemeIdx", "int", optional=True),
    Field("_environmentNameIdx", "int", optional=True),
    Field("_customData", "dict", optional=True),
)
COLORS = [
    "saberAColor",
    "saberBColor",
    "environmentColor0",
    "environmentColor1",
    "obstaclesColor",
    "environmentColor0Boost",
    "environmentColor1Boost",
]
_CUSTOM_ONLY = (
    "_contributors",
    "_editors",
    "_difficultyLabel",
    "_requirements",
    "_suggestions",
    "_warnings",
    "_information",
)
STRING_LISTS = ("_requirements", "_suggestions", "_warnings", "_information")


@dataclass(frozen=True)
class InfoSummary:
    """What the other checks need of an Info.dat; a field is None where Info.dat is wrong.

    ``lightshows`` pairs a difficulty file with its lightshow file ("" for none); it and
    ``audio_data`` are version 4's.
    """

    bpm: float | None = None
    audio: str | None = None
    cover: str | None = None
    difficulties: tuple[str, ...] = ()
    lightshows: tuple[tuple[str, str], ...] = ()
    audio_data: str | None = None
    version: int = 2


def check_info(
    data: dict[str, Any], version: tuple[int, ...], files: Collection[str], log: FindingLog
) -> InfoSummary:
    """Check a parsed Info.dat of version 2.

    Args:
        data: The parsed JSON object.
        version: Its version as (major, minor, ...).
        files: Lower-case names of the level's files.
        log: Takes the findings; its file must be set.
    """
    found = check_fields(data, _FIELDS, "", log)
    _names(found, log)
    modern = version >= (2, 1)
    if not modern:
        for name in ("_environmentNames", "_colorSchemes"):
            if name in data:
                log.error("info.before_2_1", name, f"expected {name!r} from 2.1.0 on only")
    _outside_custom(data, "", log)
    for index, scheme in enumerate(found.get("_colorSchemes", [])):
        _color_scheme(scheme, f"_colorSchemes[{index}]", log)
    for name in ("_songFilename", "_coverImageFilename"):
        check_file_listed(found.get(name), name, files, log)
    bpm = found.get("_beatsPerMinute")
    limits = (len(found.get("_colorSchemes", [])), len(found.get("_environmentNames", [])))
    filenames = list(_sets(found, modern, limits, files, log))
    return InfoSummary(
        bpm if bpm is not None and bpm > 0 else None,
        found.get("_songFilename"),
        found.get("_coverImageFilename"),
        tuple(dict.fromkeys(filenames)),
    )


def _names(found: dict[str, Any], log: FindingLog) -> None:
    title, mapper = found.get("_songName"), found.get("_levelAuthorName", "")
    check_title(title, "_songName", log)
    if title is not None and len(title) + len(mapper) > MAX_TITLE_AND_MAPPER:
        text = f"expected title and mapper of {MAX_TITLE_AND_MAPPER} characters at most, found "
        log.error("info.name_length", "_songName", f"{text}{len(title) + len(mapper)}")
    places = [("_environmentName", found.get("_environmentName"))]
    for index, name in enumerate(found.get("_environmentNames", [])):
        places.append((f"_environmentNames[{index}]", name if name is not None else "null"))
    for where, name in places:
        if name is not None and (type(name) is not str or name not in ENVIRONMENTS):
            text = f"expected a known environment like DefaultEnvironment, found {json_name(name)}"
            log.error("info.environment", where, text)


def check_title(title: str | None, where: str, log: FindingLog) -> None:
    """Check that a title, where there is one, is not blank."""
    if title is not None and not title.strip():
        log.error("info.title", where, "expected a title, found a blank one")


def _outside_custom(record: dict[str, Any], where: str, log: FindingLog) -> None:
    for name in _CUSTOM_ONLY:
        if name in record:
            log.error("info.custom_key", where, f"expected {name!r} inside `_customData` only")


def _color_scheme(scheme: object, where: str, log: FindingLog) -> None:
    if not isinstance(scheme, dict):
        log.error("field.type", where, f"expected an object, found {json_name(scheme)}")
        return
    found = check_fields(
        scheme, (Field("useOverride", "bool"), Field("colorScheme", "dict")), where, log
    )
    colors = found.get("colorScheme", {})
    check_fields(
        colors,
        (Field("colorSchemeId", "str"), *(Field(one, "dict") for one in COLORS)),
        where,
        log,
    )
    channels = [Field(one, "float", 0, 1, rule="info.color") for one in "rgba"]
    for name, color in colors.items():
        if "Color" in name and isinstance(color, dict):
            check_fields(color, channels, f"{where} {name}", log)


def check_file_listed(name: object, where: str, files: Collection[str], log: FindingLog) -> None:
    """Check that a file which Info.dat names is in the level; ``files`` in lower case."""
    if isinstance(name, str) and name.lower() not in files:
        log.error("file.missing", where, f"expected the file {name!r} in the level, found none")


def _sets(
    found: dict[str, Any],
    modern: bool,
    limits: tuple[int, int],
    files: Collection[str],
    log: FindingLog,
) -> Iterator[str]:
    """Check the difficulty sets and yield the difficulty files that are there."""
    sets = found.get("_difficultyBeatmapSets")
    if sets == []:
        log.error("info.no_sets", "_difficultyBeatmapSets", "expected a set, found none")
    seen: set[str] = set()
    for number, group in enumerate(sets or []):
        where = f"_difficultyBeatmapSets[{number}]"
        if not isinstance(group, dict):
            log.error("field.type", where, f"expected an object, found {json_name(group)}")
            continue
        wanted = (Field("_beatmapCharacteristicName", "str"), Field("_difficultyBeatmaps", "list"))
        values = check_fields(group, wanted, where, log)
        _outside_custom(group, where, log)
        name = values.get("_beatmapCharacteristicName", "")
        if name and name not in CHARACTERISTICS and not (modern and name == "Legacy"):
            text = f"expected one of {', '.join(sorted(CHARACTERISTICS))}, found {name!r}"
            log.error("info.characteristic", where, text)
        if name and name in seen:
            log.error("info.characteristic_twice", where, f"expected one set {name!r}, found two")
        seen.add(name)
        if values.get("_difficultyBeatmaps") == []:
            log.error("info.empty_set", where, f"expected a difficulty in {name!r}, found none")
        entries = values.get("_difficultyBeatmaps", [])
        yield from _difficulties(entries, where, modern, limits, files, log)
    spinning = found.get("_allDirectionsEnvironmentName", ROTATION_ENVIRONMENT)
    if seen & {"90Degree", "360Degree"} and spinning != ROTATION_ENVIRONMENT:
        text = f"expected {ROTATION_ENVIRONMENT} for a 90/360 set, found {spinning!r}"
        log.error("info.rotation_environment", "_allDirectionsEnvironmentName", text)


def _difficulties(
    entries: list[Any],
    parent: str,
    modern: bool,
    limits: tuple[int, int],
    files: Collection[str],
    log: FindingLog,
) -> Iterator[str]:
    names: set[str] = set()
    ranks: set[int] = set()
    for number, entry in enumerate(entries):
        where = f"{parent}._difficultyBeatmaps[{number}]"
        if not isinstance(entry, dict):
            log.error("field.type", where, f"expected an object, found {json_name(entry)}")
            continue
        found = check_fields(entry, _DIFFICULTY_FIELDS, where, log)
        _outside_custom(entry, where, log)
        name, rank = found.get("_difficulty"), found.get("_difficultyRank")
        if name is not None and name not in DIFFICULTY_RANK:
            text = f"expected one of {', '.join(DIFFICULTY_RANK)}, found {name!r}"
            log.error("info.difficulty", where, text)
        elif name is not None and rank is not None and DIFFICULTY_RANK[name] != rank:
            text = f"expected rank {DIFFICULTY_RANK[name]} for {name}, found {rank}"
            log.error("info.rank", where, text)
        if (name is not None and name in names) or (rank is not None and rank in ranks):
            log.error("info.difficulty_twice", where, f"expected {name!r} once in its set")
        names |= {name} if name is not None else set()
        ranks |= {rank} if rank is not None else set()
        _indices(entry, found, where, modern, limits, log)
        custom = found.get("_customData", {})
        for key in STRING_LISTS:
            value = custom.get(key, [])
            if not has_kind(value, "list") or not all(has_kind(one, "str") for one in value):
                log.error("info.custom_data", where, f"expected {key!r} as a list of strings")
        filename = found.get("_beatmapFilename")
        check_file_listed(filename, where, files, log)
        if filename is not None and filename.lower() in files:
            yield filename


def _indices(
    entry: dict[str, Any],
    found: dict[str, Any],
    where: str,
    modern: bool,
    limits: tuple[int, int],
    log: FindingLog,
) -> None:
    for name, lowest, size in (
        ("_beatmapColorSchemeIdx", -1, limits[0]),
        ("_environmentNameIdx", 0, limits[1]),
    ):
        if name in entry and not modern:
            log.error("info.before_2_1", where, f"expected {name!r} from 2.1.0 on only")
        elif name in found and not lowest <= found[name] < max(1, size):
            text = f"expected {name!r} from {lowest} to {max(1, size) - 1}, found {found[name]}"
            log.error("info.index", where, text)
