"""Where in the training stream is the influence, and when does the unit form?"""
