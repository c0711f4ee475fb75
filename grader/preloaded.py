"""What a process that grades has imported, and how it is set. Runs no operation of torch: a server is forked after it.

The server's own watch over its parent waits for its children, which wait for it. So it, too, ends with its parent.
"""

import gc

import torch
import torch._dynamo  # noqa: F401  (the first optimizer step would import it, for more than a second)

from . import gradebook, verify  # noqa: F401
from .host import end_with_parent

end_with_parent()
torch.set_num_threads(1)
gc.freeze()  # what was imported is never garbage; a collection then looks at replies only
