"""Runbooks followed word by word: `reading` takes a page apart, `following` does what it says, in a shell.

What a page may hold, and what is compared, is said in docs/runbooks/README.md.
"""
