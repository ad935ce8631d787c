"""Where the time of a level goes.

    python -m saberlm.scripts.bench_infer SONG --bpm 130 --offset -1.615
    python -m saberlm.scripts.bench_infer SONG... --batch 16

For one song: a table by stage, tokens/s of decoding beside `transformers.generate` on the same
model, one step of its decoder, and the limit of the memory (bytes of weights and cache that a token
reads, over the measured speed of reading them), and the peak memory. With ``--batch`` rows (seeds
of the songs in turn) as many at a time, beside one by one. Wall time, and the process's own CPU
time, which says more on a machine with other work. What is compiled is compiled before the clock
starts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saberlm.adapter.loading import LoadedModel
    from saberlm.infer.engine import Engine, GeneratedMap, MapRequest
    from saberlm.infer.lighting import Passes
    from saberlm.infer.pipeline import Song
    from saberlm.infer.sampling import SamplingParams

GENERATED_TOKENS = 200
"""Tokens that `transformers.generate` makes, after a prompt of a song's first bars."""


class Clock:
    """Seconds and calls by stage: wall and CPU time. Stages inside others count for themselves."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inside: list[list[float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside for a stage."""
        inner = [0.0, 0.0]
        self._inside.append(inner)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            self._inside.pop()
            self.wall[name] += wall - inner[0]
            self.cpu[name] += cpu - inner[1]
            self.calls[name] += 1
            if self._inside:
                self._inside[-1][0] += wall
                self._inside[-1][1] += cpu

    def watch(self, owner: Any, method: str, name: str | Callable[..., str]) -> None:
        """Count a method's calls for a stage, perhaps named by its arguments."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name if isinstance(name, str) else name(*args, **kwargs)):
                return original(*args, **kwargs)

        setattr(owner, method, timed)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_infer", description=__doc__)
    parser.add_argument("songs", nargs="+", metavar="SONG")
    parser.add_argument("--bpm", type=float, help="of a single song; default: found")
    parser.add_argument("--offset", type=float)
    parser.add_argument("-d", "--difficulty", default="ExpertPlus")
    parser.add_argument("--no-lights", action="store_true")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--playability", choices=["off", "soft", "strict"], default="soft")
    parser.add_argument("--batch", type=int, help="rows at a time, beside one by one")
    parser.add_argument("--bars", type=int, help="of each song, the first ones (default: all)")
    parser.add_argument("--threads", type=int, help="of torch and of a batch")
    parser.add_argument("--json", metavar="FILE", help="write the figures here as well")
    args = parser.parse_args(argv)

    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.infer.sampling import SamplingParams
    from saberlm.prompts.vocab import fingerprint

    if args.threads:
        torch.set_num_threads(args.threads)
    clock = Clock()
    with clock.stage("load the model"):
        loaded = load_model(args.model, fingerprint(), device=args.device, bare=True)
    params = SamplingParams(playability=args.playability)
    figures = _batch(loaded, args, params) if args.batch else _single(loaded, args, params, clock)
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def _song(loaded: LoadedModel, args: argparse.Namespace, path: str, clock: Clock) -> Song:
    from saberlm.adapter.audio import load_audio
    from saberlm.infer.pipeline import Song
    from saberlm.infer.tempo import estimate_tempo

    rate = loaded.frontend.sample_rate
    with clock.stage("read the song"):
        samples = load_audio(path, rate)[0]
    with clock.stage("tempo"):
        tempo = estimate_tempo(samples, rate, bpm=args.bpm, offset_seconds=args.offset)
    return Song.on_estimate(samples, rate, tempo)


def _passes(
    loaded: LoadedModel, args: argparse.Namespace, song: Song, encoding: Any, seed: int
) -> Passes:
    from dataclasses import replace

    from saberlm.infer.lighting import make_passes
    from saberlm.infer.pipeline import completed
    from saberlm.prompts.header import Conditions

    asked = Conditions(args.difficulty, rating=9, lights=not args.no_lights)
    asked = completed(loaded.model, song, asked)
    passes = make_passes(loaded.model, encoding, song, asked, seed)
    end = min(args.bars or song.num_bars, encoding.num_bars)
    lights = passes.lights and replace(passes.lights, end_bar=end)
    return replace(passes, notes=replace(passes.notes, end_bar=end), lights=lights)


def _warm(engine: Engine, request: MapRequest, params: SamplingParams) -> None:
    """Let everything be compiled."""
    import copy
    from dataclasses import replace

    engine.generate([replace(request, end_bar=2, density=copy.copy(request.density))], params)


def _single(
    loaded: LoadedModel, args: argparse.Namespace, params: SamplingParams, clock: Clock
) -> dict[str, Any]:
    import tempfile

    from saberlm.infer.engine import Engine
    from saberlm.infer.lighting import generate_lit
    from saberlm.infer.pack import SongMeta, pack_level
    from saberlm.infer.pipeline import encode_song, to_beatmap

    path = args.songs[0]
    song = _song(loaded, args, path, clock)
    with clock.stage("encode"):
        encoding = encode_song(loaded.model, loaded.frontend, song)
    passes = _passes(loaded, args, song, encoding, 0)
    with clock.stage("pack the weights"):
        engine = Engine(loaded.model)
    with Clock().stage("compile"):
        _warm(engine, passes.notes, params)
    _watch(engine, clock)
    with clock.stage("the rest of the loop, in Python"):
        made = generate_lit(engine, [passes], [params])
    with clock.stage("pack the level"), tempfile.TemporaryDirectory() as folder:
        beatmap, _ = to_beatmap(made[0], song)
        out = Path(folder) / "level.zip"
        meta = SongMeta(title="bench", artist="", mapper="saberlm")
        pack_level(
            *(out, Path(path), song.bpm, song.offset_seconds, {args.difficulty: beatmap}, meta)
        )
    figures = _table(clock, made, song)
    figures["peak_memory_mb"] = _peak_mb()
    print(f"peak memory: {figures['peak_memory_mb']:.0f} MB")
    figures |= _limits(loaded, args, encoding, passes.notes)
    return figures


def _watch(engine: Engine, clock: Clock) -> None:
    from saberlm.infer import row_grammar, row_sampler
    from saberlm.infer.playability import RowPlayability

    def forward(_slots: Any, pieces: Any) -> str:
        return "decoder: one token" if all(len(p) == 1 for p in pieces) else "decoder: pieces"

    clock.watch(engine.decoder, "extend", forward)
    clock.watch(row_grammar, "legal_ids", "grammar and wishes")
    clock.watch(row_grammar, "step", "grammar and wishes")
    clock.watch(row_sampler, "_allow", "grammar and wishes")
    clock.watch(RowPlayability, "penalties", "playability")
    clock.watch(RowPlayability, "place", "playability")
    clock.watch(row_sampler, "_choose", "sampling")


_DECODING = (
    "decoder: one token",
    "decoder: pieces",
    "grammar and wishes",
    "playability",
    "sampling",
    "the rest of the loop, in Python",
)


def _table(clock: Clock, made: list[GeneratedMap], song: Song) -> dict[str, Any]:
    tokens = sum(len(bar) + 1 for one in made for bar in one.bars)
    lines = [
        f"{song.seconds:.1f} s of song, {song.num_bars} bars, {tokens} tokens drawn",
        f"{'stage':34} {'wall s':>8} {'cpu s':>8} {'calls':>7} {'cpu ms a token':>15}",
    ]
    for name in clock.wall:
        share = f"{1000 * clock.cpu[name] / tokens:15.3f}" if name in _DECODING else ""
        seconds = f"{clock.wall[name]:8.2f} {clock.cpu[name]:8.2f}"
        lines.append(f"{name:34} {seconds} {clock.calls[name]:7} {share}")
    wall, cpu = (sum(times[name] for name in _DECODING) for times in (clock.wall, clock.cpu))
    total = sum(clock.wall.values()), sum(clock.cpu.values())
    lines.append(f"{'decoding':34} {wall:8.2f} {cpu:8.2f} {'':7} {1000 * cpu / tokens:15.3f}")
    lines.append(f"{'all':34} {total[0]:8.2f} {total[1]:8.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return {
        "tokens": tokens,
        "wall": dict(clock.wall),
        "cpu": dict(clock.cpu),
        "decode_wall": wall,
        "decode_cpu": cpu,
        "total_wall": total[0],
        "total_cpu": total[1],
        "tokens_per_second": tokens / wall,
        "tokens_per_cpu_second": tokens / cpu,
    }


def _limits(
    loaded: LoadedModel, args: argparse.Namespace, encoding: Any, request: MapRequest
) -> dict[str, Any]:
    """The yardsticks: transformers on the same model, and the memory."""
    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.infer.decoder import make_decoder
    from saberlm.infer.row_sampler import LIVE
    from saberlm.prompts.stream import MapPrompt
    from saberlm.prompts.vocab import fingerprint
    from saberlm.scripts.bench_steps import measure_steps

    model = load_model(args.model, fingerprint(), device=args.device).model
    prompt = MapPrompt(
        request.conditions, encoding.num_bars, None, bool(loaded.model.config.audio_places)
    ).opening()
    context = len(prompt) + 4 * 60  # the header, and half of the bars that the decoder sees
    ids = torch.tensor([(prompt[-60:] * 20)[:context]], device=model.lm_head.weight.device)
    started, cpu = time.perf_counter(), time.process_time()
    device, dtype = model.lm_head.weight.device.type, model.model.language_model.norm.weight.dtype
    mixed = torch.autocast(device, dtype, enabled=dtype != torch.float32)
    with torch.inference_mode(), mixed:
        model.generate(
            ids,
            max_new_tokens=GENERATED_TOKENS,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=None,
        )
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    out: dict[str, Any] = {
        "generate_tokens_per_second": GENERATED_TOKENS / wall,
        "generate_tokens_per_cpu_second": GENERATED_TOKENS / cpu,
        "context": context,
    }
    said = (
        f"transformers.generate: {out['generate_tokens_per_second']:.0f} tokens/s,"
        f" {out['generate_tokens_per_cpu_second']:.0f} a CPU second ({context} tokens before it, no"
        " constraints)"
    )
    sys.stdout.write(said + "\n")
    width = int(model.config.text_config.hidden_size)
    return out | measure_steps(make_decoder(model, LIVE), [1, 4, 16], context, width)


def _peak_mb() -> float:
    """The process's peak memory; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**20 if sys.platform == "darwin" else 2**10))


def _batch(loaded: LoadedModel, args: argparse.Namespace, params: SamplingParams) -> dict[str, Any]:
    """Rows together, and one by one; and whether the results are equal."""
    from saberlm.infer.engine import Engine
    from saberlm.infer.lighting import generate_lit
    from saberlm.infer.pipeline import encode_song

    songs = [_song(loaded, args, path, Clock()) for path in args.songs]
    encodings = [encode_song(loaded.model, loaded.frontend, song) for song in songs]

    def rows_anew() -> list[Passes]:
        return [
            _passes(loaded, args, songs[i % len(songs)], encodings[i % len(songs)], i)
            for i in range(args.batch)
        ]

    engine = Engine(loaded.model, max_rows=args.batch)
    _warm(engine, rows_anew()[0].notes, params)
    figures: dict[str, Any] = {"rows": args.batch, "songs": len(songs)}
    made: dict[str, list[GeneratedMap]] = {}
    for how in ("one by one", "together"):
        rows = rows_anew()
        wall, cpu = time.perf_counter(), time.process_time()
        if how == "together":
            made[how] = generate_lit(engine, rows, [params] * len(rows))
        else:
            made[how] = [generate_lit(engine, [row], [params])[0] for row in rows]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        tokens = sum(len(bar) + 1 for one in made[how] for bar in one.bars)
        figures[how] = {"wall": wall, "cpu": cpu, "tokens": tokens}
        sys.stdout.write(
            f"{how:12} {wall:8.2f} s, {cpu:8.2f} s of CPU, {tokens} tokens,"
            f" {1000 * cpu / tokens:.3f} CPU ms a token, {3600 * len(rows) / wall:.0f} rows/hour\n"
        )
    equal = [a.bars == b.bars for a, b in zip(made["one by one"], made["together"], strict=True)]
    figures["equal"] = sum(equal)
    for clock in ("wall", "cpu"):
        figures[f"gain_{clock}"] = figures["one by one"][clock] / figures["together"][clock]
    sys.stdout.write(
        f"{sum(equal)} of {len(equal)} rows equal; together {figures['gain_wall']:.2f} times as"
        f" fast, {figures['gain_cpu']:.2f} times for the same CPU time\n"
    )
    return figures


if __name__ == "__main__":
    sys.exit(main())
