"""How close is influence from stored gradients to influence by a pass over the samples?"""
