"""What are the samples at both ends of the influence?"""
