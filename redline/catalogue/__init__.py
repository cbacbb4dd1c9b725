"""What is installed, for people and for programs: the documents of contract §4 "Catalogue and operations".

The law of this package: every document follows from the registry, from the error classes and from nothing else. It is pure: values in,
bytes out, made once at start. It knows no kind by name and no HTTP beyond what the documents say of it.
"""
