"""A style pack from one mapper's maps: a LoRA on the decoder of a trained model, which learns from
the maps alone, and how well it does on those of them that it did not see.

What a pack changes is what the decoder says: which notes, bombs, walls and lights. When notes come
is the tower's to plan, and no pack changes that; how dense a map is goes by the mapper's own
densities unless somebody asks for notes/s.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm
from trl import SFTConfig

from saberlm.adapter.decoder_lora import read_lora
from saberlm.adapter.loading import load_model
from saberlm.adapter.style_pack import StylePack, check_name, save_pack, weights_fingerprint
from saberlm.finetune.build import build_dataset
from saberlm.finetune.export import measure_cuts, measure_densities
from saberlm.finetune.run_config import RunConfig
from saberlm.finetune.sft import LORA_NAME, VALID_NAME, run_sft
from saberlm.finetune.shards import INDEX_NAME, SongShard, load_dataset
from saberlm.finetune.sources import MapSource, find_sources
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.vocab import fingerprint

MIN_MAPS = 10
"""Maps of a mapper below which a pack is refused."""
MIN_HELD_OUT, HELD_OUT_SHARE = 2, 8
"""So many maps, or one in so many, are not trained on and judge the pack."""
MIN_FOR_DENSITY = 3
"""Maps of a difficulty from which its density is the mapper's."""
LEAST_GAIN = 0.005
"""In nats a token; less is no gain."""
MAX_NAMED = 4
"""Of what could not be used, in an error."""
MEASURED = "loss"
"""The figure of a validation that the pack is judged by: nats a token."""
_NO_SUCH_SET = "none"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapperMaps:
    """The maps to train on: their sources, whose they are, and their songs' titles by key."""

    sources: tuple[MapSource, ...]
    mappers: Counter[str]
    titles: dict[str, str]

    def songs(self) -> int:
        """How many different ones they are of: copies of a map are none of its own."""
        return len(set(self.titles.values()))


@dataclass(frozen=True)
class PackResult:
    """A finished pack's file, its size in megabytes, and what it is (`StylePack.about`)."""

    path: Path
    megabytes: float
    about: dict[str, Any]

    def words(self) -> list[str]:
        """The result in words, a plain one where the pack is of no use."""
        about = self.about
        before, after = about["held_out_loss"]
        lines = [
            f"{about['maps']} maps ({about['difficulties']} difficulties), {about['held_out']} of"
            f" them not trained on; {about['steps']} steps in {about['seconds'] / 60:.1f} minutes",
            f"loss on the maps not trained on: {before:.3f} before, {after:.3f} after (nats a"
            " token of their notes)",
        ]
        if after > before - LEAST_GAIN:
            lines.append(
                "The pack does not know this mapper's maps better than the model alone: too few"
                " maps, or a manner that the model has already."
            )
        return [*lines, f"{self.megabytes:.1f} MB; use it with --lora {self.path.stem}"]


def work_folder(name: str) -> Path:
    """Where a pack's data and run lie until it is finished: in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "saberlm" / "style_packs" / check_name(name)


def find_maps(maps_dir: Path, work_dir: Path, mapper: str | None = None) -> MapperMaps:
    """The maps under a folder, or those of one mapper.

    Args:
        maps_dir: see `saberlm.finetune.sources.find_sources`.
        work_dir: where an archive may be unpacked.
        mapper: whose, as their Info.dat names them, in any letter case; None for all.

    Raises:
        ValueError: no maps, or none of that mapper.
    """
    found: dict[str, MapSource] = {}
    titles: dict[str, str] = {}
    mappers: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for source in tqdm(find_sources(maps_dir, work_dir), unit="map", desc="maps"):
        try:
            info = read_level(source.level, characteristic=_NO_SUCH_SET).info
        except (ValueError, OSError):
            info = None  # the build says why
        name = info.mapper.strip() if info else ""
        if mapper is not None and name.casefold() != mapper.strip().casefold():
            others[name] += 1
            continue
        if source.key not in found:
            found[source.key] = source
            mappers[name] += 1
            titles[source.key] = (info.title if info else source.key).strip().casefold()
    if not found:
        known = ", ".join(f"{name} ({n})" for name, n in others.most_common(5) if name)
        raise ValueError(
            f"{maps_dir}: expected maps of {mapper}, found {sum(others.values())} of others"
            f" ({known}, ...)"
        )
    return MapperMaps(tuple(found.values()), mappers, titles)


def train_pack(
    name: str,
    out: Path,
    maps: MapperMaps,
    run: RunConfig,
    args: SFTConfig,
    *,
    resume: bool = False,
    min_maps: int = MIN_MAPS,
) -> PackResult:
    """Train a pack and write it.

    Args:
        name: of the pack.
        out: its file; one that is there is replaced at the end.
        maps: of `find_maps`.
        run: with ``lora_alone``; its ``data_dir`` is made here.
        args: TRL's settings; ``output_dir`` holds the run until it is finished.
        resume: go on with a run that was stopped.
        min_maps: refuse fewer.

    Raises:
        ValueError: too few maps, or as `saberlm.finetune.sft.run_sft`.
    """
    check_name(name)
    assert run.base_model is not None, "RunConfig sees to it"
    model = load_model(run.base_model, fingerprint())  # what can be refused is refused first
    if maps.songs() < min_maps:
        raise ValueError(_too_few(maps.songs(), min_maps, ""))
    work, data = Path(args.output_dir), Path(run.data_dir)
    if not resume:
        for old in (work, data):
            shutil.rmtree(old, ignore_errors=True)
    report = build_dataset(data.parent, data, None, sources=maps.sources)
    held_out = _hold_out(data, maps.titles, min_maps, report.dropped)
    run_sft(run, args, resume=resume)
    lora = replace(read_lora(work / "final" / LORA_NAME), base=model.name)
    songs = load_dataset(data, "train") + load_dataset(data, "valid")
    valid = [json.loads(line) for line in (work / VALID_NAME).read_text().splitlines()]
    about = {
        "mappers": dict(maps.mappers.most_common(8)),
        "maps": len(songs),
        "difficulties": sum(len(song.difficulties) for song in songs),
        "held_out": held_out,
        "steps": valid[-1]["step"],
        "seconds": valid[-1]["seconds"],
        "held_out_loss": [row[f"eval_{MEASURED}"] for row in (valid[0], valid[-1])],
    }
    pack = StylePack(
        *(name, lora, weights_fingerprint(model.weights), _densities(songs)),
        cut_shares=measure_cuts(songs),
        about=about,
    )
    megabytes = save_pack(pack, out)
    for done in (work, data):
        shutil.rmtree(done, ignore_errors=True)
    return PackResult(out, megabytes, about)


def _too_few(found: int, wanted: int, more: str) -> str:
    return (
        f"maps (--maps): expected maps of {wanted} or more songs by one mapper, found"
        f" {found}{more}; from fewer a pack would learn them by heart"
    )


def _left_out(dropped: Sequence[str]) -> str:
    some = "; ".join(dropped[:MAX_NAMED])
    more = f"; and {len(dropped) - MAX_NAMED} more" if len(dropped) > MAX_NAMED else ""
    return f" that could be used ({some}{more})"


def _hold_out(data: Path, titles: dict[str, str], min_maps: int, dropped: Sequence[str]) -> int:
    """Says in a dataset's index which maps are trained on and which are not: all of a song lie on
    one side, by a hash of its title. Returns the number of those that are not.

    Raises:
        ValueError: too few maps could be used.
    """
    index = data / INDEX_NAME
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    by_title: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_title[titles[row["key"]]].append(row)
    if len(by_title) < min_maps:
        raise ValueError(_too_few(len(by_title), min_maps, _left_out(dropped)))
    order = sorted(by_title, key=lambda title: hashlib.sha256(title.encode()).hexdigest())
    wanted = max(MIN_HELD_OUT, math.ceil(len(rows) / HELD_OUT_SHARE))
    held = 0
    for title in order:
        split = "train" if held >= wanted or title == order[-1] else "valid"
        for row in by_title[title]:
            row["split"] = split
            held += split == "valid"
    temporary = index.with_suffix(".partial")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
    temporary.replace(index)
    return held


def _densities(songs: Sequence[SongShard]) -> dict[str, dict[str, float]]:
    """The mapper's own, of the difficulties that they have made often enough."""
    counts = Counter(stream.conditions.difficulty for song in songs for stream in song.difficulties)
    return {
        what: {name: value for name, value in found.items() if counts[name] >= MIN_FOR_DENSITY}
        for what, found in measure_densities(list(songs)).items()
    }
