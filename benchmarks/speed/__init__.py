"""How fast the server is, beside other servers and its own engine; `__main__` prints the table."""
