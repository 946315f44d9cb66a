"""Running the suites against a twin: doctor, runner, plugin, and the public door for suites."""
