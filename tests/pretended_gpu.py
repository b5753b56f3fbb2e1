"""Run notebooks as if the machine had a GPU: `python tests/pretended_gpu.py NOTEBOOK …`.

Tensors that are moved to "cuda" compute on the CPU, but say that they are elsewhere and refuse to be mixed with
tensors that are not. So a cell that would fail on a GPU, because it forgot to move something there or back, fails here.
Speed, 16-bit arithmetic and memory are not pretended. Needs a later PyTorch than 2.9, whose internals differ.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
MAY_MIX = ("aten::copy_", "aten::index", "aten::index_put_")  # so may they on a real GPU


class Pretended(torch.Tensor):
    """A tensor on the GPU; `held` is the tensor on the CPU that computes for it."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Pretended":
        return torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), dtype=held.dtype, device="meta", requires_grad=held.requires_grad
        )

    def __init__(self, held: torch.Tensor):
        self.held = held

    @property
    def device(self) -> torch.device:
        """Where it says that it is."""
        return GPU

    @property
    def is_meta(self) -> bool:
        """torch.nn.init passes over tensors that have no values."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Where it says that it is."""
        return True

    def tolist(self) -> Any:
        """As on a GPU, which copies for it."""
        return self.held.tolist()

    def numpy(self, *_: Any, **__: Any) -> None:
        """As on a GPU."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, arguments: tuple = (), options: dict | None = None) -> Any:
        return _compute(function, arguments, options or {})


class Pretending(TorchDispatchMode):
    """Within it tensors are made on, and moved to, the pretended GPU."""

    def __torch_dispatch__(self, function: Any, types: Any, arguments: tuple = (), options: dict | None = None) -> Any:
        return _compute(function, arguments, options or {})


def _compute(function: Any, arguments: tuple, options: dict) -> Any:
    tensors = [value for value in tree_flatten((arguments, options))[0] if isinstance(value, torch.Tensor)]
    away = [isinstance(tensor, Pretended) for tensor in tensors]
    name = function._schema.name
    here = [tensor for tensor in tensors if not isinstance(tensor, Pretended) and tensor.dim()]  # numbers may be mixed
    if any(away) and here and name not in MAY_MIX:
        raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got some on cuda:0 and on cpu.")
    wanted = options.get("device")
    to_gpu = any(away) if wanted is None else torch.device(wanted).type == "cuda"
    if wanted is not None:
        options = {**options, "device": CPU}
    arguments, options = tree_map(lambda value: getattr(value, "held", value), (arguments, options))
    before = tree_flatten(arguments)[0]
    result = function(*arguments, **options)
    if any(result is value for value in before) and tensors:  # changed in place: it is the same tensor outside too
        return next(tensor for tensor in tensors if getattr(tensor, "held", tensor) is result)
    return tree_map(lambda value: Pretended(value) if isinstance(value, torch.Tensor) and to_gpu else value, result)


def pretend() -> None:
    """Let PyTorch say, to the end of this process, that the machine has one GPU. Call it before helpers is imported."""
    make = torch.tensor

    def tensor(*arguments: Any, device: Any = None, **options: Any) -> torch.Tensor:
        made = make(*arguments, **options)
        return made if device is None else made.to(device)

    torch.tensor = tensor  # the only maker that passes by the dispatcher
    torch.inference_mode = torch.no_grad  # its tensors cannot be wrapped
    torch.__future__.set_swap_module_params_on_conversion(True)  # optimizers keep hold of parameters that move
    torch._C._ensureCUDADeviceGuardSet()
    torch.cuda._lazy_init = lambda: None
    torch.cuda.is_bf16_supported = lambda *_, **__: False
    torch.cuda.get_device_name = lambda *_: "a pretended GPU"
    torch.cuda.mem_get_info = lambda *_: (8 << 30, 8 << 30)
    torch.cuda.synchronize = torch.accelerator.synchronize = lambda *_: None
    torch.accelerator.current_accelerator = lambda check_available=False: torch.device("cuda")
    torch.accelerator.device_count = lambda: 1


def run(notebook: Path) -> int:
    """Run all code cells, whichever fail; print those that do, and return their number."""
    from IPython.core.interactiveshell import InteractiveShell

    os.chdir(notebook.parent)
    shell, failed = InteractiveShell.instance(), 0
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells):
        with Pretending():
            outcome = shell.run_cell("".join(cell["source"]), silent=True)
        error = outcome.error_before_exec or outcome.error_in_exec
        if error:
            failed += 1
            print(f"---- {notebook.name}, code cell {number} fails ----", file=sys.stderr)
            traceback.print_exception(error, limit=-4)
    print(f"{notebook.name}: {failed} of {len(cells)} code cells failed on the pretended GPU", file=sys.stderr)
    return failed


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    import matplotlib as mpl

    mpl.use("agg")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    pretend()
    sys.exit(sum(run(Path(name).resolve()) for name in sys.argv[1:]))
