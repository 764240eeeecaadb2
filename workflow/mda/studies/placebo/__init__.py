"""How often do runs that were treated at random seem to differ?"""
