"""Documents of office programs, e-books and mail, as their programs and libraries write them."""
