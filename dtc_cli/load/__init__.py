"""`dtc load`: how much a target serves, how fast and how truly, by a method that neither side can dispute.

The engine is **open loop**: requests are due at the instants of a schedule, whether or not earlier ones were
answered, and a latency counts from the instant a request was due (DTC-PERF-003, C-91). A target that stands
still for five seconds therefore shows five seconds, also for the requests that a polite client would not
have sent meanwhile.

`schedule` says when, `traffic` what, `dispatcher` matches the two with free connections and knows nothing of
sockets, `lanes` are the connections, `worker` is a process full of them, `fleet` starts several, `outcome`
adds up what they say, `health` judges the generator itself (DTC-PERF-002), `truth` the sampled answers
(DTC-PERF-010), `objectives` the figures, `result` is what is kept and `page` what is shown.
"""
