"""Are the catalysts found in corpora that were made with known ones?"""
