"""The one exception for what a user can mend."""


class ADSError(Exception):
    """Bad input, configuration or state.

    The message is one sentence that names the file or field and says what to do. The tools
    print it without a traceback and exit with status 2.
    """
