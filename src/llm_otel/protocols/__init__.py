"""Body shapes: all that is known of one is in its file; `spec` says what such a file gives.

`answer`, `usage`, `errors`, `costs`, `requests` are what those files are made with. They read
bodies that nobody vouches for and never trust them.
"""
