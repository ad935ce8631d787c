from dataclasses import replace

from saberlm.eval.critic import CriticReport
from saberlm.eval.judge import Judgement, judge_map
from saberlm.eval.verdict import verdict
from saberlm.prompts.beatmap import Beatmap, ColorNote, LightEvent
from saberlm.prompts.tempo import TempoMap


def judged(beatmap: Beatmap) -> Judgement:
    return judge_map(beatmap, TempoMap(120.0), "Expert")


def test_an_empty_map_and_a_show_alone_are_said_so() -> None:
    assert verdict(judged(Beatmap())) == "Empty."
    assert "light show alone" in verdict(judged(Beatmap(lights=(LightEvent(4, 0, 1),))))


def test_faults_are_counted_and_set_beside_human_maps() -> None:
    down = [ColorNote(8 + beat, 1, 0, 0, 1) for beat in range(20)]
    up_and_down = [replace(note, direction=i % 2) for i, note in enumerate(down)]
    clean = verdict(judged(Beatmap(color_notes=tuple(up_and_down))))
    assert clean.startswith("Plays cleanly: no faults in 20 notes")
    faulty = verdict(judged(Beatmap(color_notes=tuple(down))))
    assert "faults in 20 notes: " in faulty
    assert "per 100, where human maps have 8.3" in faulty


def test_the_critic_is_quoted() -> None:
    one = judged(Beatmap(color_notes=(ColorNote(8, 1, 0, 0, 1),)))
    low = verdict(replace(one, critic=CriticReport(-3.0, 1.0, 2.0)))
    high = verdict(replace(one, critic=CriticReport(3.0, 0.0, 45.0)))
    assert "takes it for machine-made" in low
    assert "more human than 45 % of human maps" in high
    assert "critic" not in verdict(replace(one, critic=None))
