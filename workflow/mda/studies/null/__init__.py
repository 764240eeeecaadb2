"""On a corpus without catalysts, how often is an effect seen?"""
