"""The outside world, one thing a module: each implements a port, ignorant of the others."""
