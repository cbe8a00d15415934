"""Make the README's picture from the demo's results.

Call it as ``make demo && .venv/bin/python docs/make_images.py demo-output/results``.
"""

import sys
from pathlib import Path

from PIL import Image


def main(results: Path) -> None:
    """Put three figures of the report below each other."""
    names = ("class-motor_glass.png", "class-motor_heatmap.png", "time_share.png")
    pictures = [Image.open(results / "figures" / name).convert("RGB") for name in names]
    size = max(p.width for p in pictures), sum(p.height for p in pictures)
    page = Image.new("RGB", size, "white")
    top = 0
    for picture in pictures:
        page.paste(picture, (0, top))
        top += picture.height
    out = Path(__file__).parent / "images" / "demo.png"
    page.quantize(128).save(out, optimize=True)
    print(out, out.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
