"""Does the derivative through training predict what masking samples does?"""
