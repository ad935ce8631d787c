"""A tempo in words and as JSON, for people and for other programs."""

from __future__ import annotations

from typing import Any

from saberlm.infer.tempo_estimate import TempoEstimate

LOW_CONFIDENCE = 0.5
"""Under this a reading is more likely wrong than right, and the next ones are worth a look."""


def describe_tempo(found: TempoEstimate) -> list[str]:
    """Lines that say what was found; with a warning and the next readings where it is not sure."""
    lines = [
        f"{found.bpm:g} BPM, beat 0 at {found.offset_seconds:.3f} s ({found.method}, confidence"
        f" {found.confidence:.2f})"
    ]
    if found.events:
        tempi = [found.bpm, *(piece.bpm for piece in found.events)]
        count = f"{len(found.events)} change{'s' if len(found.events) > 1 else ''} of tempo"
        lines.append(f"{count}, {min(tempi):.1f} to {max(tempi):.1f} BPM")
    if found.confidence < LOW_CONFIDENCE:
        lines.append(
            "warning: the beat is unsure; listen, and give --bpm and --offset if it is off"
        )
        lines += [
            f"  else: --bpm {other.bpm:g} --offset {other.offset_seconds:.3f}"
            f" (probability {other.probability:.2f})"
            for other in found.alternatives
        ]
    return lines


def tempo_json(found: TempoEstimate) -> dict[str, Any]:
    """The estimate as plain JSON values: ``offset`` is the first beat at or after second 0,
    ``downbeat_offset`` the first bar's; times in seconds of the song."""
    return {
        "bpm": found.bpm,
        "offset": round(found.first_beat_seconds, 6),
        "downbeat_offset": round(found.offset_seconds, 6),
        "confidence": round(found.confidence, 4),
        "method": found.method,
        "events": [{"seconds": round(p.seconds, 6), "bpm": p.bpm} for p in found.events],
        "alternatives": [
            {
                "bpm": other.bpm,
                "offset": round(other.offset_seconds % (60 / other.bpm), 6),
                "downbeat_offset": round(other.offset_seconds, 6),
                "probability": round(other.probability, 4),
            }
            for other in found.alternatives
        ],
    }
