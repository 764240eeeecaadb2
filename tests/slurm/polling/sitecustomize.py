"""For tests alone: the executor plugin asks for the jobs' state three times a second.

It waits ten seconds longer after every look without news; on jobs of hours that is nothing, on a
test it is everything, and there is no option for it.
"""

import asyncio

_sleep = asyncio.sleep


async def sleep(delay, result=None):
    return await _sleep(min(delay, 0.3), result)


asyncio.sleep = sleep
