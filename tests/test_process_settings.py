"""Importing the package, building and preparing a model change no setting of the process."""

from collections.abc import Callable
from pathlib import Path

SETTINGS = """
import ctypes, os, sys
import torch, mmaction

libc = ctypes.CDLL(None)

class MallocCounts(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    _fields_ = [(name, ctypes.c_size_t) for name in names]

def large_blocks_are_mapped():
    '''Whether malloc maps what is above its highest threshold, as it does unless told otherwise.'''
    if not hasattr(libc, "mallinfo2"):
        return None
    libc.mallinfo2.restype = MallocCounts
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = libc.mallinfo2().hblks
    block = libc.malloc(ctypes.c_size_t(2**26))
    after = libc.mallinfo2().hblks
    libc.free(block)
    return after - before

def settings():
    from torch._dynamo import config as dynamo
    from torch._inductor import config as inductor
    found = {f"environ {name}": value for name, value in os.environ.items()}
    found["malloc"] = large_blocks_are_mapped()
    for name in ("get_num_threads", "get_num_interop_threads", "get_default_dtype",
                 "is_grad_enabled", "is_inference_mode_enabled", "get_float32_matmul_precision",
                 "are_deterministic_algorithms_enabled"):
        found[name] = str(getattr(torch, name)())
    for backend in ("cudnn", "mkldnn", "cuda.matmul", "opt_einsum"):
        flags = torch.backends
        for part in backend.split("."):
            flags = getattr(flags, part)
        for name in ("enabled", "benchmark", "deterministic", "allow_tf32", "strategy"):
            if isinstance(value := getattr(flags, name, None), (bool, str)):
                found[f"{backend}.{name}"] = value
    for module, config in (("dynamo", dynamo), ("inductor", inductor)):
        found |= {f"{module}.{key}": repr(value) for key, value in config.get_config_copy().items()}
    return found

for code in sys.argv[1:]:
    before = settings()
    exec(code)
    after = settings()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    print("CHANGED", sorted(changed))
"""

BUILD = """
import f4d_mmaction
from mmaction.apis import init_recognizer
from mmengine.config import Config
config = Config.fromfile("configs/recognition/f4d/f4d_r18_phase_order.py")
config.model.backbone.compile = True
init_recognizer(config, device="cpu")
config.model.backbone.compile = False
model = init_recognizer(config, device="cpu")
from f4d_mmaction.models import prepare_for_inference
model.backbone(torch.zeros(1, 2, 3, 2, 32, 32))
prepare_for_inference(model)
"""


CHANGE = """
import torch._dynamo.config as c
c.recompile_limit += 1
os.environ["THP_MEM_ALLOC_ENABLE"] = "1"
libc.mallopt(-4, 0)
torch.set_num_threads(3)
"""


def test_import_building_and_preparing_change_nothing(root: Path, run_python: Callable) -> None:
    """And what changes something is seen."""
    done = run_python("-c", SETTINGS, BUILD, CHANGE, cwd=root)
    changed = [line for line in done.stdout.splitlines() if line.startswith("CHANGED")]
    settings = ["dynamo.recompile_limit", "environ THP_MEM_ALLOC_ENABLE", "get_num_threads"]
    assert changed == ["CHANGED []", f"CHANGED {[*settings, 'malloc']}"], done.stderr
