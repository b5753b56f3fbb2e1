"""`python -m helpers.diagrams` draws all pictures under images/ again, or those that it is given the names of."""

import sys

from helpers import diagrams, plotting

for name in sys.argv[1:] or diagrams.PICTURES:
    path = plotting.IMAGES / f"{name}.png"
    path.write_bytes(diagrams.draw(name))
    print(path)
