"""Influence at which checkpoint selects best?"""
