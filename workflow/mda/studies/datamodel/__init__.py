"""Are runs on random subsets predicted by influence, and by the controls?"""
