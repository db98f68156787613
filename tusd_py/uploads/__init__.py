"""
The upload service acts.

It tells each verb of tus in order (lock, find, decide, ask, write, commit) and knows neither HTTP
nor SQL nor files: those are behind the interfaces it is given.
"""
