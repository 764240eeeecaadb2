"""Do scores fail where they must fail: of random weights, a constant probe, shuffled labels and the like?"""
