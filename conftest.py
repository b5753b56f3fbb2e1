"""What all tests share, and the kernels that nbval starts for notebooks: nothing of this machine's own settings."""

import os
import tempfile

# Before anything is imported that reads them.
os.environ.update(TQDM_DISABLE="1", TORCH_HOME=f"{tempfile.gettempdir()}/torch_home_{os.getpid()}", no_proxy="*")
if "IMAGENET_DIR" in os.environ:
    del os.environ["IMAGENET_DIR"]
