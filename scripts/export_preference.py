"""``python -m saberlm.scripts.export_preference RUN NAME``: put the preference LoRA of a DPO run
beside a shipped model's weights; ``NAME`` then loads with it, ``NAME-sft`` without.

With ``--option OTHER`` the model stays as it is, and ``OTHER`` is one more name: the same weights
with the LoRA, which is all that its folder holds.
"""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="export_preference", description=__doc__)
    parser.add_argument("run", help="folder of the run (with lora/ in it)")
    parser.add_argument("name", help="a shipped model, such as nano")
    parser.add_argument("--option", metavar="OTHER", help="name to give it instead: nano-dpo")
    parser.add_argument(
        "--shift",
        nargs=2,
        action="append",
        default=[],
        metavar=("KIND", "NATS"),
        help="of walls or lights: by how much their chance is set back (saberlm.infer.block_shift)",
    )
    args = parser.parse_args(argv)

    import json
    from dataclasses import replace
    from pathlib import Path

    from saberlm.adapter.decoder_lora import (
        PREFERENCE_NAME,
        merge_lora,
        read_lora,
        save_lora,
    )
    from saberlm.adapter.loading import SFT_SUFFIX, load_model, model_folder
    from saberlm.infer.block_shift import BlockShift
    from saberlm.prompts.vocab import fingerprint

    source, base = Path(args.run) / "lora" / PREFERENCE_NAME, f"{args.name}{SFT_SUFFIX}"
    try:
        lora = replace(read_lora(source), base=base)
        loaded = load_model(base, fingerprint()).model
        merge_lora(loaded, lora, source)
        folder = model_folder(args.name)
        folder = folder.with_name(args.option) if args.option else folder
        shifts = {kind: float(nats) for kind, nats in args.shift}
        BlockShift(shifts)  # checks the kinds
        notes = {"shifts": json.dumps(shifts)} if shifts else None
        megabytes = save_lora(lora, folder / PREFERENCE_NAME, notes=notes)
        if args.option:
            loaded.config.save_pretrained(folder)
    except ValueError as error:
        print(f"export_preference: {error}", file=sys.stderr)
        return 1
    print(f"{megabytes:.2f} MB in {folder / PREFERENCE_NAME}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
