"""Do new samples with the top ones' structure do more than as many random or repeated ones?"""
