"""Style words that sampling itself holds to: which cuts they stand for, and what they do to the
rhythm.

The decoder reads the words in its header, but little comes of most of them
(`finetune/EXPERIMENTS.md` 25): its cuts are held to what is usual (`saberlm.infer.cut_balance`),
and the rhythm is planned without it. So a word moves what is usual by what mappers' maps of that
word have more and less of than all maps of their difficulty (`python -m
saberlm.scripts.word_shares` counts them), and "streams" and "chill" move the rhythm. A word to
avoid moves both by as much the other way.

Mappers differ from each other more than the maps of one model do. So every level has a taste: a
random point along the directions in which mappers' shares of cuts differ most (their principal
components).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saberlm.infer.cut_balance import NUM_CUTS
from saberlm.prompts.descriptors import words_of

SHIPPED = Path(__file__).parent / "pretrained" / "style" / "words.json"
STREAM_NATS: Mapping[str, float] = {"streams": 1.5, "chill": -1.5}
"""Above 0 for each deviation of how busy a stretch is (`saberlm.infer.rhythm.with_streams`); below
0 quarter steps are kept out (`saberlm.infer.rhythm.RhythmPlan`)."""
MOST_NATS = 2.0
"""By which all words together move one cut."""

Floats = npt.NDArray[np.float64]


class StyleWishes(NamedTuple):
    """Words that a map is to have, and words that it is to be without."""

    asked: tuple[str, ...]
    avoided: tuple[str, ...] = ()


def wishes(style: str | None, negative_style: str | None = None) -> StyleWishes:
    """The words of both; one that is asked for and to be avoided counts as neither."""
    asked, avoided = words_of(style), words_of(negative_style)
    return StyleWishes(
        tuple(word for word in asked if word not in avoided),
        tuple(word for word in avoided if word not in asked),
    )


class CutStyles(NamedTuple):
    """What ships, in nats for each cut ``(108,)`` as in `saberlm.infer.cut_balance`: for a word the
    log of how often its maps use each cut against all maps; for a taste a deviation along each
    component ``(K, 108)``."""

    words: Mapping[str, Floats]
    tastes: Floats


@cache
def shipped_styles(path: Path = SHIPPED) -> CutStyles:
    """What ships; nothing in a copy without the file."""
    if not path.is_file():
        return CutStyles({}, np.zeros((0, NUM_CUTS)))
    read = json.loads(path.read_text(encoding="utf-8"))
    words = {word: np.array(nats, np.float64) for word, nats in read["words"].items()}
    return CutStyles(words, np.array(read["tastes"], np.float64))


def cut_tilt(words: StyleWishes) -> Floats | None:
    """Nats for each cut; None where no word says anything of cuts."""
    tilts = shipped_styles().words
    found = [tilts[word] for word in words.asked if word in tilts]
    found += [-tilts[word] for word in words.avoided if word in tilts]
    if not found:
        return None
    out: Floats = np.clip(np.sum(found, axis=0), -MOST_NATS, MOST_NATS)
    return out


def taste(key: Sequence[int], strength: float) -> Floats:
    """The taste of a level, nats for each cut.

    Args:
        key: numbers that the level's difficulties share, and others hardly: its seed among them.
        strength: 1 spreads levels as mappers are spread along the components.
    """
    tastes = shipped_styles().tastes
    drawn = np.random.default_rng([*key, 13]).normal(size=len(tastes))
    out: Floats = np.clip(strength * drawn @ tastes, -MOST_NATS, MOST_NATS)
    return out


def stream_nats(words: StyleWishes) -> float:
    """How far the rhythm is drawn together into streams; below 0: it is to be without."""
    asked, avoided = (sum(STREAM_NATS.get(word, 0.0) for word in some) for some in words)
    return asked - avoided
