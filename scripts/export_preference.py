"""``python -m saberlm.scripts.export_preference RUN NAME``: put the preference LoRA of a DPO run
beside a shipped model's weights; ``NAME`` then loads with it, ``NAME-sft`` without."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="export_preference", description=__doc__)
    parser.add_argument("run", help="folder of the run (with lora/ in it)")
    parser.add_argument("name", help="a shipped model, such as nano")
    args = parser.parse_args(argv)

    from dataclasses import replace
    from pathlib import Path

    from saberlm.adapter.loading import SFT_SUFFIX, load_model, model_folder
    from saberlm.adapter.preference_lora import (
        PREFERENCE_NAME,
        merge_preference,
        read_preference,
        save_preference,
    )
    from saberlm.prompts.vocab import fingerprint

    source, base = Path(args.run) / "lora" / PREFERENCE_NAME, f"{args.name}{SFT_SUFFIX}"
    try:
        lora = replace(read_preference(source), base=base)
        merge_preference(load_model(base, fingerprint()).model, lora, source)
        megabytes = save_preference(lora, model_folder(args.name) / PREFERENCE_NAME)
    except ValueError as error:
        print(f"export_preference: {error}", file=sys.stderr)
        return 1
    print(f"{megabytes:.2f} MB in {model_folder(args.name) / PREFERENCE_NAME}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
