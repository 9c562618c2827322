"""The kinds of answers: how a question is answered, and thus how answers are read and when two of them are equal.

Consensus and routers need only that the answers to a query fall into classes. Questions with options are answered by one of
these, so an answer is stored as its letter however it is asked for. Other answers are stored as they are written, and
:mod:`rgd.answers.equality` finds which are equal.
"""

LETTER = "letter"
"""The letter of an option."""
OPTION_TEXT = "option_text"
"""An option by its text; the prompt shows no letters."""
YES_NO = "yes_no"
"""Yes or no, the two options of each question."""
NUMBER = "number"
"""A number, equal to others within a tolerance."""
TEXT = "text"
"""A few words, equal to others in case, punctuation and articles aside."""
LATEX = "latex"
"""Mathematics in LaTeX."""

SCORE = "score"
"""No answer but how good it is, from 0 to 1; its text is the number. A missing answer scores 0."""

WITH_OPTIONS = (LETTER, OPTION_TEXT, YES_NO)
WITHOUT_OPTIONS = (NUMBER, TEXT, LATEX)
"""Kinds whose answers are compared to find which are equal."""
KINDS = (*WITH_OPTIONS, *WITHOUT_OPTIONS, SCORE)

BEST_SCORE = "1"
"""What stands for the label of a question whose answers are scores."""

YES_AND_NO = ("Yes", "No")
"""The options of a question of the kind ``yes_no``, in order."""
