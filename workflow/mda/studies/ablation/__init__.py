"""How much of the loss do the units of a target carry?"""
