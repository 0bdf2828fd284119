//! The spec: what the user wrote, as plain data. Decides nothing.
