"""`python -m images.drawing` draws all pictures under images/ again, or those that it is given the names of."""

import json
import sys

import matplotlib

from helpers import plotting
from images import drawing

for name in sys.argv[1:] or drawing.PICTURES:
    path = plotting.IMAGES / f"{name}.png"
    picture, words = drawing.draw(name)
    path.write_bytes(picture)
    known = json.loads(drawing.WORDS.read_text(encoding="utf-8")) if drawing.WORDS.exists() else {}
    known[name] = {"matplotlib": matplotlib.__version__, "words": words}
    drawing.WORDS.write_text(json.dumps(known, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    print(path)
