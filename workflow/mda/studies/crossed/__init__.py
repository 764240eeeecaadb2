"""What does removing the samples of one unit do to all heads?"""
