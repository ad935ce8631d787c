"""What the tower hears joins the decoder's logits: the onset hazard on "when", the note's odds on
"what".

From the onset head's chances per tick (a note; something else where no note) follows the chance
that the *next* event of the bar is
at tick p: that tick's chance times that of silence before it. A weighted product of this hazard
and the decoder's distribution
decides positions; the decoder keeps its say on whether the tick goes on. At a named tick the
head's odds of "a note starts here"
join the decoder's the same way. DESIGN section 4 tells why: alone, the decoder learns metre and
does not listen.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from saberlm.infer.constraints import TokenGroups


class BarHazard:
    """One bar's hazard for a batch of rows.

    Args:
        onset_logits: ``(B, 192, 2)``: a note starts; something else does, given no note.
    """

    def __init__(self, onset_logits: Tensor) -> None:
        note = onset_logits[..., 0].float()
        other = onset_logits[..., 1].float()
        silent = functional.logsigmoid(-note) + functional.logsigmoid(-other)  # (B, 192)
        event = torch.log((-torch.expm1(silent)).clamp(min=1e-12))
        before = functional.pad(silent.cumsum(1), (1, 0))  # (B, 193): silence up to tick p
        self.position = event + before[:, :-1]
        self.end = before[:, -1:]
        log_note = functional.logsigmoid(note)
        log_other = functional.logsigmoid(-note) + functional.logsigmoid(other)
        self.note_odds = log_note - log_other  # (B, 192)


def join_positions(
    log_probs: Tensor,
    hazard: BarHazard,
    groups: TokenGroups,
    *,
    decoder_weight: float,
    hazard_weight: float,
    temperature: float,
) -> Tensor:
    """Re-weigh positions and ``</seg>`` among themselves; their joint chance against the other
    tokens stays.

    Args:
        log_probs: legal tokens' log-probabilities ``(B, V)``, -inf where illegal.
        hazard: of the bar.
        groups: which ids are positions.
        decoder_weight: exponent of the decoder's distribution.
        hazard_weight: exponent of the hazard.
        temperature: of the joint distribution; 0 takes its maximum.
    """
    ids = groups.moves  # 192 positions, then </seg>
    own = log_probs[:, ids]
    mass = own.logsumexp(1, keepdim=True)
    heard = torch.cat([hazard.position, hazard.end], dim=1)
    joint = decoder_weight * (own - mass) + hazard_weight * heard
    joint = joint.masked_fill(torch.isinf(own), -torch.inf)
    if temperature == 0:
        best = joint.argmax(1, keepdim=True)
        joint = torch.full_like(joint, -torch.inf).scatter(1, best, 0.0)
    else:
        joint = (joint / temperature).log_softmax(1)
    # rows in which no move is legal have no mass: leave them as they are
    possible = ~torch.isinf(mass)
    joint = torch.where(possible, joint + mass, own)
    return log_probs.index_copy(1, ids, joint)


def join_note_odds(
    log_probs: Tensor,
    hazard: BarHazard,
    tick: Tensor,
    at_position: Tensor,
    groups: TokenGroups,
    *,
    decoder_weight: float,
    hazard_weight: float,
) -> Tensor:
    """Right after a position, re-weigh notes against everything else by the head's odds at that
    tick.

    Args:
        log_probs: legal tokens' log-probabilities ``(B, V)``.
        hazard: of the bar.
        tick: ``(B,)`` the tick named (any value where ``at_position`` is false).
        at_position: ``(B,)`` rows to change.
        groups: which ids are notes.
        decoder_weight: weight of the decoder's odds.
        hazard_weight: weight of the head's odds.
    """
    note = groups.is_note[None]
    note_mass = log_probs.masked_fill(~note, -torch.inf).logsumexp(1)
    other_mass = log_probs.masked_fill(note, -torch.inf).logsumexp(1)
    heard = hazard.note_odds.gather(1, tick.clamp(min=0)[:, None])[:, 0]
    odds = decoder_weight * (note_mass - other_mass) + hazard_weight * heard
    shift_note = functional.logsigmoid(odds) - note_mass
    shift_other = functional.logsigmoid(-odds) - other_mass
    both = at_position & torch.isfinite(note_mass) & torch.isfinite(other_mass)
    changed = torch.where(note, log_probs + shift_note[:, None], log_probs + shift_other[:, None])
    return torch.where(both[:, None], changed, log_probs)
