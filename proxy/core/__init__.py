"""What is decided, and nothing else: pure values and functions.

No I/O, no asyncio, no logging, no clock: what time it is comes in as an
argument. What belongs here can be tested by calling it.
"""
