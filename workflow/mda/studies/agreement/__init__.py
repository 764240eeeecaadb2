"""Does another curvature, damping, sample of the fit or checkpoint give the same influence?"""
