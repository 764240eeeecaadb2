"""Is influence better than each cheaper way to select samples?"""
