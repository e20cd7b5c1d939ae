"""Code that trains: built-in algorithms, scripts and functions of users, and the files that a job needs to run them."""
