import torch

from saberlm.infer.constraints import TokenGroups
from saberlm.infer.hazard import BarHazard, join_note_odds, join_positions
from saberlm.prompts import vocab as v

GROUPS = TokenGroups.on(torch.device("cpu"))


def hazard(seed: int = 0) -> BarHazard:
    torch.manual_seed(seed)
    return BarHazard(torch.randn(1, 192, 2) - 3)


def only_moves() -> torch.Tensor:
    log_probs = torch.full((1, v.VOCAB_SIZE), -torch.inf)
    log_probs[:, GROUPS.moves] = torch.randn(193)
    return log_probs.log_softmax(1)


def test_the_hazard_is_the_chance_of_the_next_event() -> None:
    h = hazard()
    total = torch.cat([h.position, h.end], 1).exp().sum()
    assert torch.allclose(total, torch.tensor(1.0), atol=1e-4)


def test_hazard_alone_replaces_the_decoders_opinion() -> None:
    h, log_probs = hazard(), only_moves()
    joined = join_positions(log_probs, h, GROUPS, decoder_weight=0, hazard_weight=1, temperature=1)
    expected = torch.cat([h.position, h.end], 1).log_softmax(1)
    assert torch.allclose(joined[:, GROUPS.moves], expected, atol=1e-4)


def test_no_hazard_changes_nothing() -> None:
    h, log_probs = hazard(), only_moves()
    joined = join_positions(log_probs, h, GROUPS, decoder_weight=1, hazard_weight=0, temperature=1)
    assert torch.allclose(joined[:, GROUPS.moves], log_probs[:, GROUPS.moves], atol=1e-5)


def test_the_joint_chance_of_moving_on_stays() -> None:
    torch.manual_seed(1)
    log_probs = torch.randn(1, v.VOCAB_SIZE).log_softmax(1)
    joined = join_positions(
        log_probs, hazard(), GROUPS, decoder_weight=0.5, hazard_weight=1, temperature=0.7
    )
    for ids in (GROUPS.moves, GROUPS.is_note):
        assert torch.allclose(
            log_probs[:, ids].logsumexp(1), joined[:, ids].logsumexp(1), atol=1e-4
        )


def test_illegal_positions_stay_illegal() -> None:
    log_probs = only_moves()
    log_probs[:, GROUPS.moves[:100]] = -torch.inf
    joined = join_positions(
        log_probs, hazard(), GROUPS, decoder_weight=0.5, hazard_weight=1, temperature=1
    )
    assert torch.isinf(joined[:, GROUPS.moves[:100]]).all()
    assert torch.allclose(joined.logsumexp(1), log_probs.logsumexp(1), atol=1e-4)


def test_note_odds_come_from_the_head() -> None:
    torch.manual_seed(2)
    log_probs = torch.randn(1, v.VOCAB_SIZE).log_softmax(1)
    h = hazard()
    tick = torch.tensor([17])
    settings = {"decoder_weight": 0.0, "hazard_weight": 1.0}
    joined = join_note_odds(log_probs, h, tick, torch.tensor([True]), GROUPS, **settings)
    note = joined[:, GROUPS.is_note].logsumexp(1)
    assert torch.allclose(note, torch.nn.functional.logsigmoid(h.note_odds[:, 17]), atol=1e-4)
    untouched = join_note_odds(log_probs, h, tick, torch.tensor([False]), GROUPS, **settings)
    assert torch.equal(untouched, log_probs)
