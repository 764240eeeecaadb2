"""Do different units have the same top samples?"""
