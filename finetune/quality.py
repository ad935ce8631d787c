"""How good a map is by its players' votes: BeatSaver's score, and ours built on it.

**BeatSaver's score** (`beatsaver_score`) pulls the share of up-votes towards one half, the less the
more votes there are: ``raw - (raw - 0.5) * 2 ** -log3(votes / 2 + 1)`` (BeatSaver's ``vote.kt``).
Until 2021 the pull was ``2 ** -log10(votes + 1)`` (`beatsaver_score_2021`), which is what lists of
that time hold: 200 votes took 20 % of the way to one half then, 5 % now. Never compare the two.

**Our quality** (`quality_of`) starts from the same share, shrunk towards what maps get on the whole
instead of one half: a map nobody voted on is an ordinary map and not a bad one. What BeatSaver's
curators and ScoreSaber's rankers took closes a part of what is missing to 1. Its error says how
sure the votes are, so that a pair of maps is one only where the gap is clear (`clear_gap`).

Votes judge the song as much as the mapping: compare maps of one song where you can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

USUAL_SHARE, PRIOR_VOTES = 0.9, 18.0
"""Share of up-votes that maps get on the whole, and how many votes that knowledge is worth: the
Beta distribution with the mean and, sampling noise taken off, the variance of 9,735 maps of spring
2021 with 50 votes or more (.908 and 18.1; of 200 or more, 3,753 maps, .922 and 15.9). The list
leaves out scores under 0.64, so the mean is a little high and the spread a little low."""
RANKED_SHARE, CURATED_SHARE = 0.15, 0.3
"""Part of what is missing to 1 that is given for being ranked or curated. Ours, not measured."""
CLEAR_ERRORS = 2.0
"""Standard errors of a difference from which on a gap is clear."""


@dataclass(frozen=True, order=True)
class Quality:
    """Quality from 0 to 1, the standard error that the votes leave, and their number."""

    value: float
    error: float
    votes: int


def beatsaver_score(upvotes: int, downvotes: int) -> float:
    """BeatSaver's score of today, 0 to 1; one half without votes.

    Raises:
        ValueError: negative votes.
    """
    raw, votes = _share(upvotes, downvotes)
    return raw - (raw - 0.5) * 2 ** -math.log(votes / 2 + 1, 3)


def beatsaver_score_2021(upvotes: int, downvotes: int) -> float:
    """BeatSaver's score until 2021, 0 to 1: of data sets of that time.

    Raises:
        ValueError: negative votes.
    """
    raw, votes = _share(upvotes, downvotes)
    return raw - (raw - 0.5) * 2 ** -math.log10(votes + 1)


def quality_of(
    upvotes: int, downvotes: int, *, ranked: bool = False, curated: bool = False
) -> Quality:
    """Quality of a map.

    Args:
        upvotes: players who liked it.
        downvotes: players who did not.
        ranked: it counts for ScoreSaber's or BeatLeader's ranking.
        curated: a BeatSaver curator chose it.

    Raises:
        ValueError: negative votes.
    """
    _, votes = _share(upvotes, downvotes)
    mean = (upvotes + PRIOR_VOTES * USUAL_SHARE) / (votes + PRIOR_VOTES)
    # of a Beta posterior with these counts
    error = math.sqrt(mean * (1 - mean) / (votes + PRIOR_VOTES + 1))
    missing = (1 - RANKED_SHARE * ranked) * (1 - CURATED_SHARE * curated)
    return Quality(1 - (1 - mean) * missing, error * missing, votes)


def quality_of_row(row: Mapping[str, Any] | None) -> Quality | None:
    """Quality of a manifest's ``quality`` entry; None without votes.

    Args:
        row: ``upvotes`` and ``downvotes``, perhaps ``ranked`` and ``curated``.
    """
    if not row or row.get("upvotes") is None or row.get("downvotes") is None:
        return None
    ranked = bool(row.get("ranked") or row.get("ss_stars") or row.get("stars"))
    return quality_of(
        int(row["upvotes"]), int(row["downvotes"]), ranked=ranked, curated=bool(row.get("curated"))
    )


def clear_gap(one: Quality, other: Quality, least: float) -> float | None:
    """By how much the first is better, None where that is under ``least`` or within the noise of
    the votes."""
    gap = one.value - other.value
    noise = CLEAR_ERRORS * math.hypot(one.error, other.error)
    return gap if gap >= max(least, noise) else None


def _share(upvotes: int, downvotes: int) -> tuple[float, int]:
    if upvotes < 0 or downvotes < 0:
        raise ValueError(f"expected votes of at least 0, found {upvotes} up and {downvotes} down")
    votes = upvotes + downvotes
    return (upvotes / votes if votes else 0.5), votes
