"""What the constraints cost per token, beside a step of the decoder, in one run.

``python -m saberlm.scripts.bench_masks [--batch 1 64] [--threads 1]``: milliseconds a token for the
grammar's mask and step, the playability layer's penalties and placing, and one cached step of the
shipped model's decoder with its head, median of ``--repeats``. ``look-ahead`` is what penalties
cost where a request leaves notes and bombs alone, so that positions must be checked too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any


def main(argv: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="bench_masks", description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64], help="rows")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--context", type=int, default=512, help="tokens in the decoder's cache")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0, help="of torch (0: its own choice)")
    args = parser.parse_args(argv)

    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.prompts.vocab import fingerprint

    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_model(args.model, fingerprint(), device=args.device).model.eval()
    lines = [
        f"{args.model} on {args.device}, {torch.get_num_threads()} threads, "
        f"{args.context} tokens in the cache; milliseconds a token",
        f"{'batch':>5} {'grammar mask':>13} {'grammar step':>13} {'penalties':>10} "
        f"{'look-ahead':>11} {'place':>7} {'all masks':>10} {'decoder step':>13} {'ratio':>7}",
    ]
    for batch in args.batch:
        ms = _measure(model, batch, args.context, args.repeats, args.device)
        masks = ms["mask"] + ms["step"] + ms["penalties"] + ms["place"]
        lines.append(
            f"{batch:5} {ms['mask']:13.3f} {ms['step']:13.3f} {ms['penalties']:10.3f} "
            f"{ms['ahead']:11.3f} {ms['place']:7.3f} {masks:10.3f} {ms['decoder']:13.3f} "
            f"{masks / ms['decoder']:7.1%}"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _measure(model: Any, batch: int, context: int, repeats: int, device: str) -> dict[str, float]:
    """Median milliseconds of each part."""
    import torch
    from transformers import DynamicCache

    from saberlm.infer.constraints import GrammarMask, forbidden_tokens
    from saberlm.infer.playability import PlayabilityMask
    from saberlm.prompts import vocab as v
    from saberlm.prompts.header import Conditions

    place = torch.device(device)
    random = torch.Generator().manual_seed(0)
    grammar = GrammarMask(place)
    bpm = torch.full((batch,), 140.0, dtype=torch.float64)
    masks = [PlayabilityMask("strict", bpm, ["Expert"] * batch, place) for _ in range(2)]
    everything, notes_alone = (
        forbidden_tokens(Conditions(lights=on, walls=on))[None].expand(batch, -1)
        for on in (True, False)
    )
    masks[0].open_bar(0, everything)
    masks[1].open_bar(0, notes_alone)
    live = torch.ones(batch, dtype=torch.bool, device=place)
    state = grammar.start(batch)
    for tick in range(0, 96, 6):  # a bar's half full of notes
        position = torch.full((batch,), v.token_id("position", tick), device=place)
        note = torch.randint(v.SIZES["note"], (batch,), generator=random) + v.OFFSETS["note"]
        for token in (position, note.to(place)):
            state = grammar.step(state, token)
            for mask in masks:
                mask.place(token, state[:, 1], live)

    def step() -> object:
        with torch.inference_mode():
            out = model.model.language_model(
                inputs_embeds=x, attention_mask=seen, past_key_values=cache, use_cache=True
            )
            cache.crop(-1)  # the next repeat meets the same cache
            return model.lm_head(out.last_hidden_state[:, -1])

    hidden = model.config.text_config.hidden_size
    cache = DynamicCache()
    with torch.inference_mode():
        past = torch.randn(batch, context, hidden, generator=random).to(place)
        model.model.language_model(inputs_embeds=past, past_key_values=cache, use_cache=True)
    x = torch.randn(batch, 1, hidden, generator=random).to(place)
    seen = torch.ones(batch, context + 1, dtype=torch.long, device=place)
    parts: dict[str, Callable[[], object]] = {
        "mask": lambda: grammar.allowed(state),
        "step": lambda: grammar.step(state, note.to(place)),
        "penalties": lambda: masks[0].penalties(state[:, 1]),
        "ahead": lambda: masks[1].penalties(state[:, 1]),
        "place": lambda: masks[0].place(note.to(place), state[:, 1], live),
        "decoder": step,
    }
    return {name: _median_ms(part, repeats, device) for name, part in parts.items()}


def _median_ms(part: Callable[[], object], repeats: int, device: str) -> float:
    import statistics
    import time

    import torch

    def once() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        part()
        if device == "cuda":
            torch.cuda.synchronize()
        return 1000 * (time.perf_counter() - started)

    for _ in range(3):
        once()
    return statistics.median(once() for _ in range(repeats))


if __name__ == "__main__":
    sys.exit(main())
