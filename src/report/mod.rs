//! Reporters: what people see of a run. They look at events and counters and never change anything.
