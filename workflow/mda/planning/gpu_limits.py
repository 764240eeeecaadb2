"""How large a GPU's work is: a module that imports nothing, for each training depends on it."""

# Operations of an update below which a GPU does them faster than Python starts its kernels. On an H200 an
# update of 4e11 took 19 ms, compiled 15 and as a CUDA graph 6.
SMALL_UPDATE = 5e12

# Of the memory that a process may take of a GPU, how much a batch may take.
BATCH_SHARE = 0.6
# Values a token and hidden unit that a layer keeps for the backward pass (Korthikanti et al.
# 2022, arXiv 2205.05198, eq. 1: 34 bytes in 16 bit), those a pair of tokens and head keeps in
# eager attention, and those a token and vocabulary entry keeps for the loss.
HIDDEN, PATTERN, LOGITS = 17, 3, 4
