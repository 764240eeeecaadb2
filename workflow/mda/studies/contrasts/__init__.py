"""Does influence do more than each cheap control, over several models and orders of their samples?"""
