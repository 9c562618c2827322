"""The one exception that stands for a mistake the user can mend."""


class UserError(Exception):
    """Bad input or a broken surrounding, told in one message: what, where, the value, the fix.

    Scripts and the command line print the message alone, without a traceback, and exit with 1.
    """
