"""How much of the influence do the top samples have?"""
