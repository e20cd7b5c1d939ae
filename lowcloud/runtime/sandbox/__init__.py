"""The sandbox around one program: namespaces, Landlock, control groups."""
