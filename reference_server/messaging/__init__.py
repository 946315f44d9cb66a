"""What is said in the city, apart from the doors through which it is heard (P3 4.2, 7, 8.3, 9; P2 2.2).

How a door (WebSocket, MQTT) works with it; all of it runs in the event loop, `world.messaging` is the one
`Hub`:

- `hub.ingest.offer(caller, Incoming(...))` takes what a client publishes and returns a future: done once the
  message is accepted, stored where it is a reading, committed, and handed to all subscribers; `ApiError`
  when it is refused (FORBIDDEN, RATE_LIMIT_EXCEEDED, INVALID_TOPIC, SENSOR_NOT_FOUND, INVALID_MEASUREMENT
  ...). It never raises. Acknowledge after it is done, not before. A repeated `Incoming.id` of the same
  `Incoming.origin` with the same content is accepted again and neither stored nor delivered again.
- `hub.bus.attach(listener)` hears every message: `listener.deliver(message)` must not block and must not
  raise. Matching, queues and windows are the door's own; `topics.Tree` finds subscribers, `outbox.Outbox`
  is a bounded queue with the rule for slow consumers.
- `hub.bus.retained.matching(pattern)` are the retained messages; `hub.bus.retention.since(pattern, position)`
  replays what is kept of the past and says whether something is missing.
- `rights.may_subscribe(caller, pattern)` and `rights.may_publish(caller, topic)` decide by credential;
  `hub.ingest` asks the second one and the message limits itself.
- `hub.latest(city, pattern)` makes messages of the newest readings, for a subscriber that asks for them.

Changes made by REST, or by whatever else writes to the storage, become messages in `publisher`, from the
commit that holds them: a reading on its sensor's topic, an object's update, a simulation's status, a
service's and a device's status (these two retained), an alert above a declared threshold. `Message.event`
is the name of P2 2.2.

Each topic counts its messages (`Message.sequence`, 1, 2, 3 ... in this process); `Message.position` grows
over all topics and over restarts, and is what a subscriber resumes from.
"""
