"""`saberlm data pairs`: preference pairs of a cached dataset, with a report; it can be stopped and
gone on with."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from tqdm import tqdm

from saberlm.adapter.loading import load_model, model_folder
from saberlm.eval.critic import load_critic
from saberlm.finetune import preference_corruptions, preference_humans, preference_samples
from saberlm.finetune.preference_collator import check_hearing
from saberlm.finetune.preference_matching import Way, tilt_table
from saberlm.finetune.preferences import (
    PreferencePair,
    Stretch,
    candidates,
    completion_bars,
    for_play,
    save_pairs,
)
from saberlm.finetune.quality import Quality, quality_of_row
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.vocab import fingerprint

SOURCES = (
    preference_humans.SOURCE,
    preference_samples.SAMPLED,
    preference_corruptions.SOURCE,
    preference_samples.HUMAN,
)
"""``humans``: two maps of one recording by their votes; ``sampled``: a better and a worse sample of
a model, alike in all else; ``corrupted``: a human's bars and a corruption; ``human``: a liked
human's bars over a model's."""
SPLITS = ("train", "valid")


@dataclass(frozen=True)
class PairSettings:
    """What to make.

    ``songs`` limits the songs that are sampled (of each split; None: all); ``windows`` and
    ``samples`` are stretches of a song and samples of a stretch; ``corrupted`` pairs of a map.
    """

    sources: tuple[str, ...] = SOURCES
    model: str = "nano"
    songs: int | None = None
    windows: int = 4
    samples: int = 6
    corrupted: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        unknown = [name for name in self.sources if name not in SOURCES]
        if unknown or not self.sources:
            raise ValueError(
                f"sources: expected some of {', '.join(SOURCES)},"
                f" found {', '.join(unknown) or 'none'}"
            )
        if min(self.windows, self.corrupted) < 1 or self.samples < 2:
            raise ValueError(
                "expected at least 1 window, 1 corruption and 2 samples, found"
                f" {self.windows}, {self.corrupted} and {self.samples}"
            )

    @property
    def sampled(self) -> tuple[str, ...]:
        """Sources that need a model."""
        own = (preference_samples.SAMPLED, preference_samples.HUMAN)
        return tuple(name for name in self.sources if name in own)


@dataclass
class PairReport:
    """Pairs by split and source."""

    gaps: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    songs: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    recordings: Counter[str] = field(default_factory=Counter)
    tilts: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)

    def add_all(self, pairs: Sequence[PreferencePair]) -> None:
        """Count pairs of one split, and what their two sides have in common."""
        by_source: dict[tuple[str, str], list[PreferencePair]] = defaultdict(list)
        for pair in pairs:
            self.add(pair)
            by_source[pair.split, pair.source].append(pair)
        for key, some in by_source.items():
            self.tilts[key] = tilt_table(
                (completion_bars(pair.chosen), completion_bars(pair.rejected)) for pair in some
            )

    def add(self, pair: PreferencePair) -> None:
        """Count one."""
        kind = pair.kind if pair.source == preference_corruptions.SOURCE else ""
        self.gaps.setdefault((pair.split, pair.source, kind), []).append(pair.score_gap)
        self.songs.setdefault((pair.split, pair.source), set()).add(pair.song)
        self.lengths.append(len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)))

    def render(self) -> str:
        """The report as a table."""
        lines = ["split  source     kind                 pairs  songs  gap median [p10, p90]"]
        for (split, source, kind), gaps in sorted(self.gaps.items()):
            low, middle, high = np.percentile(gaps, [10, 50, 90])
            lines.append(
                f"{split:<6} {source:<10} {kind:<20} {len(gaps):5}"
                f"  {len(self.songs[split, source]):5}  {middle:.2f} [{low:.2f}, {high:.2f}]"
            )
        missing = [name for name in SOURCES if not any(k[1] == name for k in self.gaps)]
        lines += [f"no pair of source {name}" for name in missing]
        lines += [f"{n} {what}" for what, n in self.recordings.items()]
        if self.tilts:
            lines.append("the two sides: share of doubles; cells, directions: total variation")
        for (split, source), tilt in sorted(self.tilts.items()):
            lines.append(
                f"{split:<6} {source:<10} {tilt['doubles better']:.3f} {tilt['doubles worse']:.3f}"
                f"; {tilt['cells']:.3f}, {tilt['directions']:.3f}"
            )
        if self.lengths:
            middle, most = np.percentile(self.lengths, [50, 100])
            lines.append(f"tokens of a row: median {middle:.0f}, most {most:.0f}")
        return "\n".join(lines) + "\n"


def build_pairs(
    data_dir: Path,
    out: Path,
    settings: PairSettings,
    *,
    maps_dir: Path | None = None,
    splits: Sequence[str] = SPLITS,
) -> PairReport:
    """Make pairs, and write ``out/train`` and ``out/valid`` (`datasets` folders) and
    ``out/report.txt``.

    Finished parts lie in ``out/parts`` and are not made again; parts of other settings are refused.

    Args:
        data_dir: cached dataset.
        out: folder to write.
        settings: what to make.
        maps_dir: folder of the manifest with the votes; None knows the header's rating alone, and
            no pairs of two human maps.
        splits: which of the two.

    Raises:
        ValueError: no data, no such split, parts of other settings, or not a pair found.
    """
    if not splits or not {*splits} <= {*SPLITS}:
        raise ValueError(
            f"splits: expected some of {', '.join(SPLITS)}, found {', '.join(splits) or 'none'}"
        )
    out.mkdir(parents=True, exist_ok=True)
    _check_settings(out, settings)
    quality = {} if maps_dir is None else manifest_quality(maps_dir / "manifest.jsonl")
    report, by_split = PairReport(), defaultdict(list)
    for split in splits:
        songs = [for_play(song) for song in load_dataset(data_dir, split) if song.has_audio]
        if not songs:
            continue
        pairs = list(_other_pairs(songs, quality, settings, report.recordings))
        if settings.sampled:
            pairs += list(_sampled_pairs(songs, quality, settings, out / "parts" / split))
        order = {name: i for i, name in enumerate(SOURCES)}
        pairs.sort(key=lambda p: (order[p.source], p.song, p.difficulty, p.first_bar, p.kind))
        report.add_all(pairs)
        by_split[split] = pairs
    if not by_split["train" if "train" in splits else splits[0]]:
        raise ValueError(
            f"{data_dir}: expected songs with their sound to make pairs of, found not one pair"
        )
    for split, pairs in by_split.items():
        if pairs:
            save_pairs(pairs, out / split)
    (out / "report.txt").write_text(report.render())
    return report


def _check_settings(out: Path, settings: PairSettings) -> None:
    path = out / "settings.json"
    told = {**asdict(settings), "sources": list(settings.sources), "fingerprint": fingerprint()}
    if settings.sampled:
        told["weights"] = _weights(model_folder(settings.model))
    if path.is_file() and (found := json.loads(path.read_text())) != told:
        odd = ", ".join(name for name in told if found.get(name) != told[name])
        raise ValueError(
            f"{out}: expected a folder for these settings, found one begun with another {odd}:"
            " give another folder"
        )
    path.write_text(json.dumps(told, indent=1) + "\n")


def _weights(folder: Path) -> str:
    """What tells one training of a model from the next: the start of its weights' SHA-256."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def manifest_quality(manifest: Path) -> dict[str, Quality]:
    """Quality of a manifest's maps by the key of `saberlm.finetune.sources`, where votes are known.

    Raises:
        ValueError: no such manifest.
    """
    if not manifest.is_file():
        raise ValueError(f"expected a manifest.jsonl with votes, found none at {manifest}")
    found = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        if line.strip():
            row = json.loads(line)
            quality = quality_of_row(row.get("quality"))
            if quality is not None:
                found[f"{int(row['n']):04d}"] = quality
    return found


def _other_pairs(
    songs: Sequence[SongShard],
    quality: Mapping[str, Quality],
    settings: PairSettings,
    counts: Counter[str],
) -> Iterator[PreferencePair]:
    """Those that need no model: made in seconds, and not kept."""
    random = Random(f"{settings.seed} {songs[0].split}")
    if preference_humans.SOURCE in settings.sources:
        yield from preference_humans.human_pairs(
            songs, quality, windows=4 * settings.windows, random=random, counts=counts
        )
    if preference_corruptions.SOURCE in settings.sources:
        critic = load_critic()
        for song in tqdm(songs, unit="song", desc="corrupting", disable=None):
            for stream in song.difficulties:
                name = f"{settings.seed} {song.key} {stream.conditions.difficulty}"
                yield from preference_corruptions.corrupted_pairs(
                    candidates(song, stream), settings.corrupted, critic, Random(name)
                )


def _sampled_pairs(
    songs: Sequence[SongShard], quality: Mapping[str, Quality], settings: PairSettings, parts: Path
) -> Iterator[PreferencePair]:
    parts.mkdir(parents=True, exist_ok=True)
    critic = load_critic()
    model = load_model(settings.model, fingerprint()).model
    check_hearing(model, settings.model)
    wanted = list(songs)
    Random(settings.seed).shuffle(wanted)
    stretches = preference_samples.choose_stretches(
        wanted[: settings.songs], settings.windows, Random(f"{settings.seed} windows")
    )
    params = SamplingParams(playability="off", refrain=0, seed=settings.seed)

    def part(at: Stretch) -> Path:
        where = f"{at.song.key} {at.difficulty} {at.split_bar}"
        return parts / f"{at.song.key}-{at.split_bar:04d}-{zlib.crc32(where.encode()):08x}.json"

    missing = [at for at in stretches if not part(at).is_file()]
    with tqdm(total=len(missing), unit="window", desc="sampling", disable=None) as bar:
        for batch in preference_samples.sample_stretches(model, missing, settings.samples, params):
            for made in batch:
                path = part(made.at)
                temporary = path.with_suffix(".partial")
                temporary.write_text(json.dumps(asdict(preference_samples.judge(made, critic))))
                temporary.replace(path)
                bar.update()
    windows = [(at, _read_part(part(at))) for at in stretches]
    yield from preference_samples.sampled_pairs(windows, quality, settings.sampled)


def _read_part(path: Path) -> preference_samples.Judged:
    row = json.loads(path.read_text())
    ways = (Way(tuple(map(tuple, way["bars"])), way["value"], way["notes"]) for way in row["ways"])
    return preference_samples.Judged(tuple(ways), row["human"])
