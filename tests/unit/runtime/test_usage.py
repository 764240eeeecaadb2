"""What steps say of the memory that they used."""

import os

from mda.runtime import job_files, usage


def test_without_a_gpu_nothing_is_said():
    assert usage.gpu_memory() is None


def test_memory_is_what_the_system_counted():
    held = bytearray(os.urandom(300 * 10**6))
    assert len(held) // 10**6 < job_files.said(usage.memory())["memory"] < 20_000
