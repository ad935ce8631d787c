"""How often classes come, held to shares: nothing at those shares, surplus loses, within bounds."""

import numpy as np

from saberlm.infer.class_balance import MOST_GAIN, MOST_LOSS, ClassBalance


def test_shares_as_wanted_gain_nothing_and_surplus_loses() -> None:
    classes = ClassBalance(np.array([3.0, 1.0]), 1.0)
    assert not classes.nats.any()
    for which in (0, 0, 0, 1) * 50:
        classes.say(which)
    assert np.abs(classes.nats).max() < 0.15
    for _ in range(300):
        classes.say(1)
    assert -MOST_LOSS <= classes.nats[1] < -0.5 < 0.3 < classes.nats[0] <= MOST_GAIN
    nothing = ClassBalance(np.zeros(2), 1.0)
    nothing.say(0)
    assert not nothing.nats.any()


def test_what_is_dealt_by_the_nats_comes_near_the_shares() -> None:
    rng = np.random.default_rng(0)
    wanted, own = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    classes = ClassBalance(wanted, 4.0)
    came = np.zeros(3)
    for _ in range(2000):
        chances = own * np.exp(classes.nats)
        which = int(rng.choice(3, p=chances / chances.sum()))
        classes.say(which)
        came[which] += 1
    assert np.abs(came / came.sum() - wanted).max() < 0.1
    assert np.abs(own - wanted).max() == 0.4
