"""
A request enters, and aiohttp stops here.

Each verb is handled in a few lines: parse, call the service, describe.
"""
