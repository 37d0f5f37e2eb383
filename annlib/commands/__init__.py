"""The commands of ``annlib``, a module each: ``add_arguments(parser)`` declares one, ``run(options)`` does its work."""
