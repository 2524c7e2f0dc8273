//! A deterministic discrete-event engine: calendar, random streams, statistics.
