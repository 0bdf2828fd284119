//! What the tests stand on: the oracle server, the job builder, the output normaliser.
