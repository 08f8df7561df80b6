"""Draw docs/tour.png, the tour's default picture, and put its words into README.md."""

import re
from pathlib import Path

from quadlib.explorers import tour

ROOT = Path(__file__).parents[1]


def main() -> None:
    explorer = tour()
    explorer.finish()
    if explorer.error:
        raise SystemExit(explorer.error)
    (ROOT / "docs" / "tour.png").write_bytes(explorer.live.png(2))
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    image = f"![{explorer.alt_text}](docs/tour.png)"
    readme.write_text(
        re.sub(r"!\[[^\]]*\]\(docs/tour\.png\)", lambda _: image, text), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
