"""The GPU memory of this process, given back when its turn on the GPU is over.

Steps share a process, which lives on for steps to come, while servers, training processes and the steps of other runs
want the same GPU.
"""

import gc
import sys


def release_gpu_memory() -> None:
    """Free the GPU memory of models that nobody refers to any more; nothing where this process has used no GPU.

    A text encoder, which is kept for the next caller, is let go as well: it is read anew when it is needed.
    """
    torch = sys.modules.get("torch")  # loading it takes a second, and a process without it holds nothing
    if torch is None or not torch.cuda.is_initialized():
        return
    from llm_auction.pctr.encoders import open_encoder

    open_encoder.cache_clear()
    gc.collect()  # models and trainers may refer to themselves
    torch.cuda.empty_cache()
