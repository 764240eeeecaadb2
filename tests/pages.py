"""What the files of a browser of all samples hold."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np


def columns(folder: Path) -> dict[str, np.ndarray]:
    """The columns of influence, by what the page calls them."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0])
    found = {}
    for number, name in enumerate(data["units"]):
        text = (folder / f"column-influence-{number}.js").read_text(encoding="ascii")
        [_, _, coded] = json.loads(f"[{text[len('SAMPLES(') : -3]}]")
        found[name] = np.frombuffer(base64.b64decode(coded), "<f4")
    return found
