"""One progress bar for whatever may take more than two seconds."""

import os
from typing import Any

from tqdm.auto import tqdm


def progress(**options: Any) -> tqdm:
    """A tqdm bar, of `options`, that appears after two seconds and leaves nothing behind.

    The environment variable TQDM_DISABLE keeps it out of outputs that are committed or compared; tqdm itself heeds that
    variable in terminals, but not in notebooks.
    """
    return tqdm(delay=2, leave=False, disable=bool(os.environ.get("TQDM_DISABLE")), **options)
