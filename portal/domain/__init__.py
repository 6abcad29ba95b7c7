"""The rules that money and licences obey: pure functions and frozen values.

Nothing here knows Flask, SQLAlchemy or the system clock; time always comes as an argument.
The rule ids in the docstrings (P1, S2, …) are those of docs/design.md.
"""
