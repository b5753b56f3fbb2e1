"""`python -m images.drawing` draws all pictures under images/ again, or those that it is given the names of."""

import sys

from helpers import plotting
from images import drawing

for name in sys.argv[1:] or drawing.PICTURES:
    path = plotting.IMAGES / f"{name}.png"
    path.write_bytes(drawing.draw(name))
    print(path)
