"""Do the main effects hold in models from other initial weights?"""
