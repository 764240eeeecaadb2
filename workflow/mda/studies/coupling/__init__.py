"""Do the unit and in-context learning move together?"""
