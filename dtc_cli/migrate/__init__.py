"""Legacy city data into a twin: assess, plan, run, verify, compare, keep in step, take back (P4 6 and 9)."""
