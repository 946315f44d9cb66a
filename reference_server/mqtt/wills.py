"""The last will of a client: what it wants to be said when it goes without saying goodbye."""

from mqtt5 import Will

from reference_server.messaging.messages import Incoming


def publication(will: Will, origin: str) -> Incoming:
    """What a will stands for; its time to live counts from when it is published."""
    return Incoming(
        topic=will.topic,
        payload=will.payload or b"",
        qos=int(will.qos),
        retain=will.retain,
        origin=origin,
        ttl=will.message_expiry_interval,
        content_type=will.content_type,
        payload_format=will.payload_format_indicator,
        response_topic=will.response_topic,
        correlation=will.correlation_data,
        user=tuple(will.user_properties),
    )
