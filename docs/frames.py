"""Pictures of every explorer along each of its controls: what moves on a page without a kernel.

`python docs/frames.py FOLDER` writes FOLDER/tour/p_3.webp … and FOLDER/tour.js, which hands alt
text, summary and table of each picture to `quadlib.js`. If nothing changed, nothing is drawn anew.
"""

import hashlib
import io
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from quadlib import explorers
from quadlib.notation import number

POSITIONS = 5  # of a slider, and its default
PATIENCE = 60.0  # seconds for what follows the first picture


def positions(control: Any, clicks: int) -> list[Any]:
    """Values that a control shows, its present one among them."""
    if isinstance(control, ipywidgets.Button):
        return list(range(clicks, clicks + 3))
    if isinstance(control, ipywidgets.Checkbox):
        return [False, True]
    if hasattr(control, "options"):
        return [getattr(option, "value", option) for option in control._options_values]
    steps = round((control.max - control.min) / control.step)
    chosen = {round(k) for k in np.linspace(0, steps, min(POSITIONS, steps + 1))}
    values = [control.min + k * control.step for k in chosen]
    if isinstance(control, ipywidgets.FloatLogSlider):
        values = [control.base**value for value in values]
    value = control.value
    values = [v for v in values if not np.isclose(v, value)] + [value]
    return sorted(type(value)(v) for v in values)


def words(control: Any, value: Any) -> str:
    """Value of a control as its readers see it."""
    if isinstance(control, ipywidgets.Button):
        return f"seed {value}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else number(value)


def photograph(explorer: Any, path: Path) -> dict[str, str]:
    """Save the picture; return what is said of it."""
    explorer.finish(PATIENCE)
    picture = Image.open(io.BytesIO(explorer.live.png(2))).convert("RGB")
    picture.save(path, "WEBP", lossless=True, quality=0, method=1)
    caption = explorer._caption
    return dict(
        src=f"{path.parent.name}/{path.name}",
        alt=explorer.alt_text,
        summary=explorer.error or caption.short,
        table=caption.table(),
    )


def shoot(name: str, folder: Path) -> int:
    """Move each control of one explorer, the others at rest; return the number of bytes."""
    home, script = folder / name, folder / f"{name}.js"
    if script.exists() and script.read_text(encoding="utf-8").startswith(_key()):
        return sum(path.stat().st_size for path in home.iterdir())
    home.mkdir(parents=True, exist_ok=True)
    for old in home.iterdir():
        old.unlink()
    explorer = getattr(explorers, name)()
    explorer.pause = 0.0
    large = explorer.live.png
    explorer.live.png = lambda scale=1: large(scale) if scale > 1 else b""  # the small go unseen
    explorer.update()
    rest = photograph(explorer, home / "rest.webp")
    explorer.seconds = 0.3  # fewer runs make a histogram too
    shown = []
    for key, control in explorer.controls.items():
        button = isinstance(control, ipywidgets.Button)
        present = explorer._clicks[key] if button else control.value
        frames, values = [], positions(control, present)
        for k, value in enumerate(values):
            if value == present:
                frames.append(rest)
                continue
            if button:
                control.click()
            else:
                control.value = value
            frames.append(photograph(explorer, home / f"{key}_{k}.webp"))
        if button:
            explorer._clicks[key] = present
        else:
            control.value = present
        label = control.description
        texts = [words(control, value) for value in values]
        shown.append(dict(label=label, values=texts, rest=values.index(present), frames=frames))
    size = dict(width=explorer.live.width, height=explorer.live.height)
    said = json.dumps(dict(size, controls=shown), ensure_ascii=False, separators=(",", ":"))
    script.write_text(f"{_key()}\nquadlibFrames({json.dumps(name)}, {said});\n", encoding="utf-8")
    return sum(path.stat().st_size for path in home.iterdir())


def _key() -> str:
    """Digest of everything a picture depends on, as a comment."""
    sources = sorted(Path(explorers.__file__).parents[1].rglob("*.py"))
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sources:
        digest.update(path.read_bytes())
    return f"// {digest.hexdigest()[:16]}"


def main() -> None:
    """All explorers, two at a time."""
    folder = Path(sys.argv[1])
    names = sys.argv[2:] or explorers.__all__
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        sizes = list(pool.map(shoot, names, [folder] * len(names)))
    print(f"{sum(sizes) / 1e6:.1f} MB of pictures: {dict(zip(names, sizes, strict=True))}")


if __name__ == "__main__":
    main()
