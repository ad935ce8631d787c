"""What somebody asks for: a song, its difficulties and how they are to be, checked before any work.

One record serves the command line, the Python API and the lines of a batch file: the names of its
fields, with those of `SamplingParams`, are the names used there.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

from saberlm.infer.amounts import AMOUNTS, asked_amounts
from saberlm.infer.chroma import check_palette
from saberlm.infer.cover import load_cover
from saberlm.infer.decoration import DECORATIONS
from saberlm.infer.pack import check_environment
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.style_words import wishes
from saberlm.infer.tempo import check_flags
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.infer.tempo_given import given_tempo
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.header import Conditions
from saberlm.prompts.header_template import HeaderTemplate

MAX_CANDIDATES = 64
_SAMPLING = tuple(f.name for f in fields(SamplingParams) if f.name != "seed")
FILES = ("song", "beats", "tempo_from", "cover", "reference")
"""Fields of a request that name files."""


@dataclass(frozen=True)
class LevelRequest:
    """One level to make.

    Args:
        song: path of the sound file.
        difficulties: names; None: what the prompt says, or Expert, or with ``full_spread`` all.
        nps: notes a second, one for all difficulties or one for each; None: the usual.
        njs: note jump speed; None: by difficulty and density.
        style: words, comma-separated.
        rating: quality asked for, 0-10.
        lights: whether there is a light show.
        bombs: ``none``, ``low``, ``medium`` or ``high`` (`saberlm.infer.amounts`); None: as the
            model likes.
        walls: as ``bombs``.
        decorative_walls: pillars beside the notes that nobody has to mind: ``none``, ``low``,
            ``medium`` or ``high`` (`saberlm.infer.decoration`); None: none.
        arcs: whether there are any; None: as the model likes.
        chains: as ``arcs``.
        reference: level whose manner is followed (`saberlm.infer.reference`); its style is asked
            for where ``style`` is None.
        prompt: a header written by hand or a template (`saberlm.prompts.header_template`); what it
            says goes before the fields above, and its BPM is the song's.
        bpm: the tempo; None: found in the sound.
        offset: song time of beat 0 in seconds; None: found.
        beats: file of beat times.
        tempo_from: level of the same sound file to take the tempo from.
        title: None: from the file's name, as ``artist``.
        artist: see ``title``.
        mapper: who the level names.
        cover: png or jpg; None: drawn from the song.
        environment: with classic lights.
        chroma: palette that colours the lights for players who have the mod Chroma
            (`saberlm.infer.chroma`); None: the environment's colours.
        seed: of everything drawn.
        candidates: maps drawn of each difficulty, of which the best is kept
            (`saberlm.infer.candidates`).
        redo_weak: make the bars anew that look worst, and keep what is better.
        full_spread: each difficulty at most 0.8 times as dense as the harder one, with no note
            moment that the harder one lacks.
        sampling: how tokens are drawn; its ``seed`` is not used.

    Raises:
        ValueError: a value that means nothing, with the field's name.
    """

    song: str | Path
    difficulties: tuple[str, ...] | None = None
    nps: float | tuple[float, ...] | None = None
    njs: float | None = None
    style: str | None = None
    rating: int | None = 9
    lights: bool = True
    bombs: str | None = None
    walls: str | None = None
    decorative_walls: str | None = None
    arcs: bool | None = None
    chains: bool | None = None
    reference: str | Path | None = None
    prompt: str | None = None
    bpm: float | None = None
    offset: float | None = None
    beats: str | Path | None = None
    tempo_from: str | Path | None = None
    title: str | None = None
    artist: str | None = None
    mapper: str = "saberlm"
    cover: str | Path | None = None
    environment: str = "DefaultEnvironment"
    chroma: str | None = None
    seed: int = 0
    candidates: int = 1
    redo_weak: bool = False
    full_spread: bool = False
    sampling: SamplingParams = field(default_factory=SamplingParams)

    def __post_init__(self) -> None:
        """Refuse what means nothing; no file is opened."""
        check_flags(self.bpm, self.offset)
        check_environment(self.environment)
        if self.chroma is not None:
            check_palette(self.chroma)
        if self.njs is not None and not 3 <= self.njs <= 30:
            raise ValueError(
                f"njs (--njs): expected a note jump speed of 3 to 30, found {self.njs:g}"
            )
        if self.rating is not None and not 0 <= self.rating <= 10:
            raise ValueError(f"rating (--rating): expected 0 to 10, found {self.rating}")
        known = {"bombs": AMOUNTS, "walls": AMOUNTS, "decorative_walls": DECORATIONS}
        for name, amounts in known.items():
            if getattr(self, name) not in (None, *amounts):
                raise ValueError(
                    f"{name} (--{name.replace('_', '-')}): expected {', '.join(amounts)}, found"
                    f" {getattr(self, name)!r}"
                )
        if self.seed < 0:
            raise ValueError(f"seed (--seed): expected 0 or more, found {self.seed}")
        if not 1 <= self.candidates <= MAX_CANDIDATES:
            raise ValueError(
                f"candidates (--candidates): expected 1 to {MAX_CANDIDATES}, found"
                f" {self.candidates}"
            )
        if self.beats is not None and self.tempo_from is not None:
            raise ValueError("expected beats or tempo_from, found both: give the one you trust")
        _ = self.conditions

    @classmethod
    def of(cls, song: str | os.PathLike[str], **given: Any) -> LevelRequest:
        """A request from plain values, those of `SamplingParams` and the name of a ``preset`` among
        them; None is as not given.

        Raises:
            ValueError: an unknown field, a value of the wrong kind or one that means nothing.
        """
        preset = str(given.pop("preset", None) or "balanced")
        known = [f.name for f in fields(cls) if f.name not in ("song", "sampling")]
        sampling: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name, value in given.items():
            if name not in (*known, *_SAMPLING):
                near = difflib.get_close_matches(name, (*known, *_SAMPLING), 1)
                raise ValueError(
                    f"expected fields such as {', '.join(known[:6])}, found {name!r}"
                    + (f": {near[0]}?" if near else "")
                )
            if value is not None:
                kind = SamplingParams if name in _SAMPLING else cls
                (sampling if name in _SAMPLING else own)[name] = _checked(kind, name, value)
        params = SamplingParams.preset(preset, **sampling)
        return cls(_checked(cls, "song", song), sampling=params, **own)

    @cached_property
    def conditions(self) -> tuple[Conditions, ...]:
        """What is asked of each difficulty, the prompt's say included.

        Raises:
            ValueError: also as `saberlm.prompts.header_template.HeaderError`.
        """
        template = None if self.prompt is None else HeaderTemplate(self.prompt)
        said = {} if template is None else template.said()
        names = self._names(said.get("difficulty"))
        asked = []
        for name, rate in zip(names, self._rates(names), strict=True):
            one = Conditions(
                difficulty=name, nps=rate, njs=self.njs, style=self.style, rating=self.rating,
                lights=self.lights, arcs=self.arcs, chains=self.chains, bombs=_any(self.bombs),
                walls=_any(self.walls),
            )  # fmt: skip
            if template is not None:
                one = replace(template.conditions(one), bpm=None)
            # the bars of a level have lights or they have not: there is no unknown
            asked.append(
                replace(
                    one,
                    difficulty=one.difficulty or name,
                    lights=self.lights if one.lights is None else one.lights,
                )
            )
        return tuple(asked)

    @property
    def amounts(self) -> dict[str, str]:
        """For the rows: how many bombs and walls, where some are asked for."""
        words = wishes(self.conditions[0].style, self.sampling.negative_style)
        return asked_amounts(self.bombs, self.walls, words)

    @property
    def num_rows(self) -> int:
        """Rows of the engine: difficulties times candidates."""
        return len(self.conditions) * self.candidates

    @property
    def stated_bpm(self) -> float | None:
        """The tempo that is given, here or in the prompt."""
        if self.bpm is not None or self.prompt is None:
            return self.bpm
        bpm: float | None = HeaderTemplate(self.prompt).said().get("bpm")
        return bpm

    def _names(self, said: str | None) -> tuple[str, ...]:
        names = self.difficulties
        if names is None and self.full_spread and said is None:
            return DIFFICULTIES
        if names is None:
            return (said or "Expert",)
        unknown = [name for name in names if name not in DIFFICULTIES]
        if unknown or not names:
            raise ValueError(
                f"difficulties (-d): expected any of {', '.join(DIFFICULTIES)}, found"
                f" {unknown[0] if unknown else 'none'!r}"
            )
        names = tuple(dict.fromkeys(names))
        if said is not None and names != (said,):
            raise ValueError(
                f"difficulties (-d): expected {said}, which the prompt says, found"
                f" {', '.join(names)}: write {{difficulty}} in the prompt for several"
            )
        return names

    def _rates(self, names: Sequence[str]) -> list[float | None]:
        if self.nps is None:
            return [None] * len(names)
        rates = list(self.nps) if isinstance(self.nps, tuple) else [self.nps] * len(names)
        for rate in rates:
            if not 0.1 <= rate <= 16:
                raise ValueError(f"nps (--nps): expected 0.1 to 16 notes a second, found {rate:g}")
        if len(rates) == 1:
            rates = rates * len(names)
        if len(rates) != len(names):
            raise ValueError(
                f"nps (--nps): expected one number or one for each of {len(names)} difficulties,"
                f" found {len(rates)}"
            )
        return list(rates)

    def given_tempo(self) -> TempoEstimate | None:
        """The tempo that the request's files give; None where it names none.

        Raises:
            ValueError: a file that cannot be used.
        """
        return given_tempo(
            self.beats, self.tempo_from, bpm=self.stated_bpm, offset_seconds=self.offset
        )

    def loaded_cover(self) -> tuple[str, bytes] | None:
        """The cover's name and bytes; None where one is to be drawn.

        Raises:
            ValueError: a file that is no cover.
        """
        return None if self.cover is None else load_cover(Path(self.cover))

    def check_files(self) -> None:
        """Refuse files beside the song that cannot be used, before the long work; the reference is
        looked at where it is read (`saberlm.infer.mapper.Mapper.listen`).

        Raises:
            ValueError: as `given_tempo` and `loaded_cover`.
        """
        self.given_tempo()
        self.loaded_cover()

    def fingerprint(self, weights: str) -> str:
        """A hash of all that decides the level: the song's bytes, the other files', the settings,
        and ``weights``, which names the model's.

        Raises:
            OSError: a file that cannot be read.
        """
        told: dict[str, Any] = {**asdict(self), "weights": weights}
        for name in FILES:
            value = getattr(self, name)
            if value is not None and Path(value).is_file():
                told[name] = [Path(value).name, file_digest(Path(value))]
            else:
                told[name] = None if value is None else str(value)
        text = json.dumps(told, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _any(amount: str | None) -> bool | None:
    """Whether there is any at all, as a header says it."""
    return None if amount is None else amount != "none"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked(kind: type, name: str, value: Any) -> Any:
    """A plain value as the field's type.

    Raises:
        ValueError: of another kind.
    """
    hint = str(get_type_hints(kind)[name]).replace("pathlib.", "")
    wants = "text"
    if "tuple[str" in hint:
        wants = "a list of names"
        if isinstance(value, str):
            return (value,)
        if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
            return tuple(value)
    elif "tuple[float" in hint:
        wants = "a number or a list of numbers"
        if _is_number(value):
            return float(value)
        if isinstance(value, Sequence) and not isinstance(value, str) and all(
            map(_is_number, value)
        ):  # fmt: skip
            return tuple(map(float, value))
    elif "bool" in hint:
        wants = "true or false"
        if isinstance(value, bool):
            return value
    elif "float" in hint:
        wants = "a number"
        if _is_number(value):
            return float(value)
    elif "int" in hint:
        wants = "a whole number"
        if _is_number(value) and value == int(value):
            return int(value)
    elif isinstance(value, str) or ("Path" in hint and isinstance(value, os.PathLike)):
        return value
    raise ValueError(f"{name}: expected {wants}, found {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def as_request(wanted: LevelRequest | Mapping[str, Any] | str | os.PathLike[str]) -> LevelRequest:
    """A request, a mapping of its fields or the path of a song, as a request.

    Raises:
        ValueError: as `LevelRequest.of`.
    """
    if isinstance(wanted, LevelRequest):
        return wanted
    if isinstance(wanted, Mapping):
        given = dict(wanted)
        if "song" not in given:
            raise ValueError(f"expected a field song, found {', '.join(given) or 'no fields'}")
        return LevelRequest.of(given.pop("song"), **given)
    return LevelRequest.of(wanted)
