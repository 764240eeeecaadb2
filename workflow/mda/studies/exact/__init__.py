"""How close is influence by approximate curvatures to influence by the exact one?"""
